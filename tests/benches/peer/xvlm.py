"""X-VLM in plain eager PyTorch: image encoder, text and cross encoder, answer decoder."""

import torch
import torch.nn as nn
import torch.nn.functional as F

# What public checkpoints store among the weights, and what follows from the sizes.
BUFFERS = ("relative_position_index", "attn_mask", "position_ids")

# ---- Swin -----------------------------------------------------------------------------------------------------------


class DropPath(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if self.rate == 0.0 or not self.training:
            return x
        kept = torch.rand(x.shape[0], *[1] * (x.dim() - 1)) >= self.rate
        return x * (kept / (1.0 - self.rate))


def partition(x, window):
    batch, rows, columns, channels = x.shape
    x = x.view(batch, rows // window, window, columns // window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def join(windows, window, shape):
    batch, rows, columns, channels = shape
    x = windows.view(batch, rows // window, columns // window, window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(shape)


def position_index(window):
    cells = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    offset = cells[:, :, None] - cells[:, None, :] + window - 1
    return offset[0] * (2 * window - 1) + offset[1]


def shift_mask(resolution, window, shift):
    region = torch.zeros(resolution, dtype=torch.long)
    region[resolution - window :] += 1
    region[resolution - shift :] += 1
    grid = (region[:, None] * 3 + region[None, :]).view(1, resolution, resolution, 1)
    cells = partition(grid, window).squeeze(-1)
    return (cells[:, None, :] != cells[:, :, None]) * -100.0


class WindowAttention(nn.Module):
    def __init__(self, channels, heads, window):
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", position_index(window), persistent=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x, mask):
        count, cells, channels = x.shape
        q, k, v = self.qkv(x).view(count, cells, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        scores = scores + bias.view(cells, cells, -1).permute(2, 0, 1).unsqueeze(0)
        if mask is not None:
            windows = mask.shape[0]
            scores = scores.view(count // windows, windows, self.heads, cells, cells)
            scores = (scores + mask[None, :, None]).view(count, self.heads, cells, cells)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(count, cells, channels))


class Mlp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, channels, heads, resolution, window, shift, drop_path):
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window)
        self.mlp = Mlp(channels)
        self.drop_path = DropPath(drop_path)
        mask = shift_mask(resolution, window, shift) if shift else None
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x):
        y = self.norm1(x)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        y = join(self.attn(partition(y, self.window), self.attn_mask), self.window, x.shape)
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        x = x + self.drop_path(y)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x):
        cells = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(cells, -1)))


class Stage(nn.Module):
    def __init__(self, channels, heads, resolution, window, rates, downsample):
        super().__init__()
        shift = window // 2 if resolution > window else 0
        self.blocks = nn.ModuleList(
            Block(channels, heads, resolution, min(window, resolution), shift if index % 2 else 0, rate)
            for index, rate in enumerate(rates)
        )
        self.downsample = PatchMerging(channels) if downsample else None

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class PatchEmbedding(nn.Module):
    def __init__(self, patch, channels):
        super().__init__()
        self.proj = nn.Conv2d(3, channels, patch, patch)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images):
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class Swin(nn.Module):
    def __init__(self, image_size, window, embed_dim, depths, heads, drop_path=0.1, patch=4):
        super().__init__()
        self.patch_embed = PatchEmbedding(patch, embed_dim)
        rates = torch.linspace(0, drop_path, sum(depths)).tolist()
        self.layers = nn.ModuleList()
        for stage, depth in enumerate(depths):
            own, rates = rates[:depth], rates[depth:]
            resolution = image_size // patch >> stage
            last = stage + 1 == len(depths)
            self.layers.append(Stage(embed_dim << stage, heads[stage], resolution, window, own, not last))
        self.norm = nn.LayerNorm(embed_dim << len(depths) - 1)

    @classmethod
    def xvlm_base(cls):
        return cls(480, 15, 128, (2, 2, 18, 2), (4, 8, 16, 32))

    def forward(self, images):
        x = self.patch_embed(images)
        for stage in self.layers:
            x = stage(x)
        cells = self.norm(x).flatten(1, 2)
        return torch.cat([cells.mean(1, keepdim=True), cells], 1)


# ---- BERT -----------------------------------------------------------------------------------------------------------


class SelfAttention(nn.Module):
    def __init__(self, hidden, width, heads, dropout):
        super().__init__()
        self.heads, self.scale = heads, (hidden // heads) ** -0.5
        self.query, self.key, self.value = (nn.Linear(n, hidden) for n in (hidden, width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, context, mask):
        def split(x):
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(context)), split(self.value(context))
        scores = q @ k.transpose(-1, -2) * self.scale
        scores = scores if mask is None else scores + mask
        return (self.dropout(scores.softmax(-1)) @ v).transpose(1, 2).flatten(-2)


class Output(nn.Module):
    def __init__(self, inputs, hidden, dropout):
        super().__init__()
        self.dense = nn.Linear(inputs, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, residual):
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class Attention(nn.Module):
    def __init__(self, hidden, width, heads, dropout):
        super().__init__()
        self.self = SelfAttention(hidden, width, heads, dropout)
        self.output = Output(hidden, hidden, dropout)

    def forward(self, x, context, mask):
        return self.output(self.self(x, context, mask), x)


class Intermediate(nn.Module):
    def __init__(self, hidden, intermediate):
        super().__init__()
        self.dense = nn.Linear(hidden, intermediate)

    def forward(self, x):
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    def __init__(self, hidden, width, heads, intermediate, fuses, dropout):
        super().__init__()
        self.attention = Attention(hidden, hidden, heads, dropout)
        self.crossattention = Attention(hidden, width, heads, dropout) if fuses else None
        self.intermediate = Intermediate(hidden, intermediate)
        self.output = Output(intermediate, hidden, dropout)

    def forward(self, x, mask, context, context_mask):
        x = self.attention(x, x, mask)
        if self.crossattention is not None:
            x = self.crossattention(x, context, context_mask)
        return self.output(self.intermediate(x), x)


class Embeddings(nn.Module):
    def __init__(self, vocabulary, positions, hidden, dropout):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, hidden, padding_idx=0)
        self.position_embeddings = nn.Embedding(positions, hidden)
        self.token_type_embeddings = nn.Embedding(2, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids):
        positions = self.position_embeddings.weight[: ids.shape[1]]
        x = self.word_embeddings(ids) + positions + self.token_type_embeddings.weight[0]
        return self.dropout(self.LayerNorm(x))


class Encoder(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layer = nn.ModuleList(layers)


class Bert(nn.Module):
    def __init__(
        self, vocabulary, hidden, layers, heads, intermediate, positions, fusion_layer, width, dropout=0.1
    ):
        super().__init__()
        self.embeddings = Embeddings(vocabulary, positions, hidden, dropout)
        self.encoder = Encoder(
            Layer(hidden, width, heads, intermediate, index >= fusion_layer, dropout) for index in range(layers)
        )

    def forward(self, ids, mask, context, context_mask=None, causal=False):
        """`mask` and `context_mask`: `[rows, tokens]`, 1 where there is a token."""
        seen = mask[:, None, None, :].float()
        if causal:
            seen = seen * torch.ones(ids.shape[1], ids.shape[1]).tril()
        mask = (1.0 - seen) * -10000.0
        if context_mask is not None:
            context_mask = (1.0 - context_mask[:, None, None, :].float()) * -1e9
        x = self.embeddings(ids)
        for layer in self.encoder.layer:
            x = layer(x, mask, context, context_mask)
        return x


class Transform(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x):
        return self.LayerNorm(F.gelu(self.dense(x)))


class Predictions(nn.Module):
    def __init__(self, words):
        super().__init__()
        vocabulary, hidden = words.weight.shape
        self.transform = Transform(hidden)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.decoder = nn.Linear(hidden, vocabulary)
        self.decoder.weight, self.decoder.bias = words.weight, self.bias

    def forward(self, x):
        return self.decoder(self.transform(x))


class Head(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.predictions = Predictions(words)


class AnswerDecoder(nn.Module):
    def __init__(self, *bert, **more):
        super().__init__()
        self.bert = Bert(*bert, **more)
        self.cls = Head(self.bert.embeddings.word_embeddings)

    def loss(self, ids, mask, states, states_mask):
        """Negative log-likelihood of each answer, summed over its tokens."""
        logits = self.cls.predictions(self.bert(ids, mask, states, states_mask, causal=True))[:, :-1]
        labels = ids.masked_fill(ids == 0, -100)[:, 1:]
        return F.cross_entropy(logits.transpose(1, 2), labels, reduction="none").sum(1)


class XVlm(nn.Module):
    def __init__(self, vision, vocabulary, hidden, layers, heads, intermediate, positions, fusion_layer, width, decoder_layers):
        super().__init__()
        self.vision_encoder = vision
        sizes = (heads, intermediate, positions)
        self.text_encoder = Bert(vocabulary, hidden, layers, *sizes, fusion_layer, width)
        self.text_decoder = AnswerDecoder(vocabulary, hidden, decoder_layers, *sizes, 0, hidden)

    @classmethod
    def base(cls):
        return cls(Swin.xvlm_base(), 30522, 768, 12, 12, 3072, 512, 6, 1024, 6)

    def losses(self, image_states, question, answers):
        """Loss of each question: the weighted sum over its answers.

        `question` is ids and mask, `answers` ids, mask, weight and question of each.
        """
        ids, mask = question
        states = self.text_encoder(ids, mask, image_states)
        answer_ids, answer_mask, weights, question_of = answers
        loss = self.text_decoder.loss(answer_ids, answer_mask, states[question_of], mask[question_of])
        return torch.zeros(len(ids)).index_add(0, question_of, loss * weights)
