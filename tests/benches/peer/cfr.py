"""The fine branch and the answer fusion in plain eager PyTorch, under the parameter names of the public checkpoints.

Attention is written out as products and a softmax, as the public implementations do. `check.py` compares everything
with the golden numbers.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

# ---- Attention on attention -----------------------------------------------------------------------------------------


class AttentionOnAttention(nn.Module):
    def __init__(self, dim, heads, dim_head, dropout=0.0):
        super().__init__()
        inner = heads * dim_head
        self.heads, self.scale = heads, dim_head**-0.5
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.aoa = nn.Sequential(nn.Linear(2 * inner, 2 * dim), nn.GLU())
        self.dropout = nn.Dropout(dropout)
        self.output_dropout = nn.Dropout(dropout)

    def forward(self, x, context=None):
        context = x if context is None else context
        query = self.to_q(x)
        key, value = self.to_kv(context).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (query, key, value))
        weights = self.dropout((q @ k.transpose(-1, -2) * self.scale).softmax(dim=-1))
        attended = (weights @ v).transpose(1, 2).flatten(-2)
        return self.output_dropout(self.aoa(torch.cat([attended, query], dim=-1)))


class AoaStack(nn.ModuleList):
    """Refines words by themselves, then with the same weights regions by themselves and by the words."""

    def __init__(self, dim, layers, heads, dim_head, dropout=0.0):
        super().__init__(AttentionOnAttention(dim, heads, dim_head, dropout) for _ in range(layers))

    def forward(self, words, regions):
        for layer in self:
            words = layer(words) + words
        for layer in self:
            regions = layer(regions) + regions
            regions = layer(regions, words) + regions
        return words, regions


# ---- Bilinear attention networks ------------------------------------------------------------------------------------


def weight_norm(direction, gain):
    return direction * (gain / direction.norm())


class WeightNormLinear(nn.Module):
    """One gain for the whole matrix."""

    def __init__(self, inputs, outputs):
        super().__init__()
        plain = nn.Linear(inputs, outputs)
        self.weight_v = nn.Parameter(plain.weight.detach().clone())
        self.weight_g = nn.Parameter(plain.weight.detach().norm())
        self.bias = nn.Parameter(plain.bias.detach().clone())

    def forward(self, x):
        return F.linear(x, weight_norm(self.weight_v, self.weight_g), self.bias)


class FcNet(nn.Module):
    def __init__(self, inputs, outputs, relu, dropout):
        super().__init__()
        layers = [nn.Dropout(dropout), WeightNormLinear(inputs, outputs)]
        self.main = nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)

    def forward(self, x):
        return self.main(x)


class BcNet(nn.Module):
    def __init__(self, v_dim, q_dim, h_dim, dropout, maps=None):
        super().__init__()
        self.v_net = FcNet(v_dim, h_dim, True, dropout[0])
        self.q_net = FcNet(q_dim, h_dim, True, dropout[0])
        if maps is not None:
            self.dropout = nn.Dropout(dropout[1])
            self.h_mat_v = nn.Parameter(torch.randn(1, maps, 1, h_dim))
            self.h_mat_g = nn.Parameter(self.h_mat_v.detach().norm())
            self.h_bias = nn.Parameter(torch.randn(1, maps, 1, 1))

    def forward(self, v, q):
        v = self.dropout(self.v_net(v)).unsqueeze(1) * weight_norm(self.h_mat_v, self.h_mat_g)
        return v @ self.q_net(q).unsqueeze(1).transpose(2, 3) + self.h_bias

    def pooled(self, v, q, weights):
        return (self.v_net(v) * (weights @ self.q_net(q))).sum(1)


class BiAttention(nn.Module):
    def __init__(self, v_dim, q_dim, h_dim, maps, dropout):
        super().__init__()
        self.logits = BcNet(v_dim, q_dim, h_dim, dropout, maps)

    def forward(self, v, q):
        logits = self.logits(v, q)
        return logits.flatten(2).softmax(-1).view_as(logits)


class BanFusion(nn.Module):
    """`glimpses` maps; the public model makes `members` projections even where there is one map."""

    def __init__(self, dim, other, glimpses, omega, dropout=(0.2, 0.5), members=None):
        super().__init__()
        members = members or glimpses
        self.omega, self.glimpses = omega, glimpses
        self.v_att = BiAttention(dim, other, dim, glimpses, dropout)
        self.b_net = nn.ModuleList(BcNet(dim, other, dim, dropout) for _ in range(members))
        self.q_prj = nn.ModuleList(FcNet(dim, dim, False, dropout[0]) for _ in range(members))

    def forward(self, x, y):
        maps = self.v_att(x, y)
        y = y * self.omega
        for glimpse in range(self.glimpses):
            pooled = self.b_net[glimpse].pooled(x, y, maps[:, glimpse])
            x = x + self.omega * self.q_prj[glimpse](pooled).unsqueeze(1) * x
        return x


# ---- The fine branch ------------------------------------------------------------------------------------------------


class WordEmbedding(nn.Module):
    def __init__(self, words, dim):
        super().__init__()
        self.emb = nn.Embedding(words + 1, dim, padding_idx=words)
        self.emb_ = nn.Embedding(words + 1, dim, padding_idx=words)
        self.emb_.weight.requires_grad = False

    def forward(self, ids):
        return torch.cat([self.emb(ids), self.emb_(ids)], dim=2)


class QuestionEmbedding(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.rnn = nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, tokens):
        return self.rnn(tokens)[0]


class Classifier(nn.Module):
    def __init__(self, dim, hidden, answers, dropout):
        super().__init__()
        first, last = WeightNormLinear(dim, hidden), WeightNormLinear(hidden, answers)
        self.main = nn.Sequential(first, nn.SiLU(), nn.Dropout(dropout), last)

    def forward(self, x):
        return self.main(x)


class FineBranch(nn.Module):
    """Entities and statistical words are optional inputs, and with them the parts that read them."""

    def __init__(
        self,
        words,
        word_dim,
        region_dim,
        hidden,
        answers,
        aoa_layers,
        heads,
        dim_head,
        glimpses,
        entity_weight=None,
        statistical_weight=None,
        dropout=0.0,
        fusion_dropout=(0.2, 0.5),
    ):
        super().__init__()

        def fusion(other, maps, omega):
            return BanFusion(hidden, other, maps, omega, fusion_dropout, glimpses)

        self.w_emb = WordEmbedding(words, word_dim)
        self.q_emb = QuestionEmbedding(2 * word_dim, hidden)
        self.entities = entity_weight is not None
        if self.entities:
            self.ew_emb = WordEmbedding(words, word_dim)
            self.qe_joint = fusion(2 * word_dim, 1, entity_weight)
        self.statistical = statistical_weight is not None
        if self.statistical:
            self.sw_emb = WordEmbedding(words, word_dim)
            self.s_emb = QuestionEmbedding(2 * word_dim, hidden)
            self.vs_joint = fusion(region_dim, 1, statistical_weight)
        else:
            self.v_projection = FcNet(region_dim, hidden, False, fusion_dropout[0])
        self.aoa = AoaStack(hidden, aoa_layers, heads, dim_head, dropout)
        self.vq_joint = fusion(hidden, glimpses, 1.0)
        self.classifier = Classifier(hidden, 2 * hidden, answers, dropout)

    def forward(self, question, regions, entities=None, statistical_words=None):
        words = self.q_emb(self.w_emb(question))
        if self.entities:
            words = self.qe_joint(words, self.ew_emb(entities))
        if self.statistical:
            regions = self.vs_joint(self.s_emb(self.sw_emb(statistical_words)), regions)
        else:
            regions = self.v_projection(regions)
        words, regions = self.aoa(words, regions)
        return self.classifier(self.vq_joint(words, regions).sum(1))


class AnswerFusion(nn.Module):
    def __init__(self, branches, answers):
        super().__init__()
        self.adapted_w = nn.Parameter(torch.ones(branches, answers))

    def forward(self, branches):
        return (torch.stack(branches, 1) * self.adapted_w.softmax(0)).sum(1)
