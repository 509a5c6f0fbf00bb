use std::sync::Arc;

use super::config::LoaderConfig;
use super::prepare::{Assembly, Chunk, Piece, Preparer};
use super::schedule::Schedule;
use super::workers::Workers;
use crate::augment::{View, Views};
use crate::batch::Batch;
use crate::error::DataError;
use crate::stream::Feed;

/// The batches of one epoch, in order. An error takes the place of the batch it befell, and ends the epoch.
///
/// Dropping it stops the workers.
pub struct Epoch {
    preparer: Arc<Preparer>,
    /// Nothing when chunks are prepared in the calling thread.
    workers: Option<Workers>,
    schedule: Schedule,
    /// The views of the batch whose chunks are handed out, with its number.
    views: Option<(usize, Arc<Views>)>,
    /// The images of a shuffle buffer, where samples are streamed.
    feed: Option<Feed>,
    prefetched_chunks: usize,
    number: u64,
    /// Number of the next batch.
    index: usize,
    failed: bool,
}

impl Epoch {
    pub(super) fn start(
        preparer: &Arc<Preparer>,
        config: &LoaderConfig,
        epoch: u64,
        skip_batches: usize,
    ) -> Result<Self, DataError> {
        let sequence = config.shuffle.sequence(preparer.source.as_ref(), epoch);
        let schedule = Schedule::new(
            sequence.samples,
            config.effective_batch,
            config.chunk,
            skip_batches,
        );
        let streamed = !sequence.images.is_empty() && preparer.encoder.inputs.images;
        let feed = streamed
            .then(|| {
                let (images, samples) = (sequence.images, schedule.left());
                let kept = |image| preparer.kept(image).is_some();
                let ahead = config.num_workers > 0;
                Feed::start(&preparer.source, images, samples, ahead, kept)
            })
            .transpose()?;
        let threads = config.num_workers.min(schedule.chunks_left());
        let workers = (threads > 0)
            .then(|| Workers::start(preparer, threads))
            .transpose()?;
        let mut started = Self {
            preparer: Arc::clone(preparer),
            workers,
            schedule,
            views: None,
            feed,
            prefetched_chunks: config.prefetched_chunks(),
            number: epoch,
            index: skip_batches,
            failed: false,
        };
        started.read_ahead();
        Ok(started)
    }

    fn read_ahead(&mut self) {
        let most = self.prefetched_chunks;
        let ahead = |workers: &Workers| workers.in_flight() < most;
        while self.workers.as_ref().is_some_and(ahead)
            && let Some(piece) = self.next_piece()
            && let Some(workers) = &mut self.workers
        {
            workers.submit(piece);
        }
    }

    /// The samples of the next chunk, the views of their images, and what the shuffle buffer has of them.
    fn next_piece(&mut self) -> Option<Piece> {
        let batch = self.schedule.next_batch();
        let samples = self.schedule.next()?;
        let stored = self.preparer.source.samples();
        let views = self.preparer.augmentation.map(|_| match &self.views {
            Some((of, views)) if *of == batch => Arc::clone(views),
            _ => {
                let whole = self.schedule.samples(batch);
                let views = Arc::new(View::of_batch(self.number, whole, stored));
                self.views = Some((batch, Arc::clone(&views)));
                views
            }
        });
        let held = self.feed.as_mut().map(|feed| feed.take(&samples, stored));
        Some(Piece {
            samples,
            views,
            held: held.unwrap_or_default(),
        })
    }

    fn chunk(&mut self) -> Result<Chunk, DataError> {
        let chunk = match &mut self.workers {
            Some(workers) => workers.take(),
            None => self.next_piece().map(|piece| self.preparer.prepare(&piece)),
        };
        self.read_ahead();
        chunk.unwrap_or(Err(DataError::WorkerLost {
            epoch: self.number,
            batch: self.index,
        }))
    }

    fn batch(&mut self, len: usize) -> Result<Batch, DataError> {
        let images = self
            .schedule
            .images(self.index, self.preparer.source.samples());
        let mut assembly = Assembly::new(self.number, self.index, images, &self.preparer.encoder);
        while assembly.len() < len {
            assembly.add(self.chunk()?);
        }
        Ok(assembly.finish())
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let len = self.schedule.batch_len(self.index);
        if self.failed || len == 0 {
            return None;
        }
        let batch = self.batch(len);
        self.failed = batch.is_err();
        self.index += 1;
        Some(batch)
    }
}
