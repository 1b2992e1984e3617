//! Memory for frames under way: one region, cut into blocks, in which nothing is allocated after the start.
//! The kernel gives a page only when it is first written to, and freed blocks are used again first, so
//! that an idle or slow network takes next to nothing.

use std::iter;

use super::frame::Layout;

/// Bytes in a block: a full-size packet fits.
pub const BLOCK: usize = 2048;

const NONE: u32 = u32::MAX;

/// A frame in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameId(u32);

/// Frames, each a chain of blocks, kept until everyone who needs one has released it.
pub struct Pool {
    bytes: Box<[u8]>,
    next: Box<[u32]>,
    // By first block.
    users: Box<[u32]>,
    layouts: Box<[Layout]>,
    free: u32,
    free_count: u32,
    // Blocks from here on have never been used.
    untouched: u32,
}

impl Pool {
    /// A pool of about so many bytes.
    pub fn new(bytes: usize) -> Pool {
        let blocks = bytes / BLOCK;
        Pool {
            bytes: vec![0; blocks * BLOCK].into_boxed_slice(),
            next: vec![0; blocks].into_boxed_slice(),
            users: vec![0; blocks].into_boxed_slice(),
            layouts: vec![Layout::default(); blocks].into_boxed_slice(),
            free: NONE,
            free_count: 0,
            untouched: 0,
        }
    }

    /// How many frames there can be at most.
    pub fn most_frames(&self) -> usize {
        self.next.len()
    }

    /// Copies a frame into the pool for one user; `None` if it doesn't fit.
    pub fn store(&mut self, frame: &[u8], layout: Layout) -> Option<FrameId> {
        let needed = frame.len().div_ceil(BLOCK).max(1);
        let untouched = self.next.len() - self.untouched as usize;
        if needed > self.free_count as usize + untouched {
            return None;
        }
        Some(self.chain(frame.chunks(BLOCK), layout))
    }

    /// Copies a frame of another pool into this one, for one user. There must be room: in an empty pool that is as large as the other
    /// there is for all of its frames.
    pub fn adopt(&mut self, other: &Pool, frame: FrameId) -> FrameId {
        let blocks =
            iter::successors(Some(frame.0), |block| Some(other.next[*block as usize]).filter(|next| *next != NONE));
        self.chain(blocks.map(|block| other.head(FrameId(block))), *other.layout(frame))
    }

    fn chain<'a>(&mut self, mut chunks: impl Iterator<Item = &'a [u8]>, layout: Layout) -> FrameId {
        let first = self.take(chunks.next().unwrap_or_default());
        let mut last = first;
        for chunk in chunks {
            let block = self.take(chunk);
            self.next[last as usize] = block;
            last = block;
        }
        self.users[first as usize] = 1;
        self.layouts[first as usize] = layout;
        FrameId(first)
    }

    /// The caller has made sure that there is one.
    fn take(&mut self, chunk: &[u8]) -> u32 {
        let block = if self.free != NONE {
            let block = self.free;
            self.free = self.next[block as usize];
            self.free_count -= 1;
            block
        } else {
            self.untouched += 1;
            self.untouched - 1
        };
        let start = block as usize * BLOCK;
        self.bytes[start..start + chunk.len()].copy_from_slice(chunk);
        self.next[block as usize] = NONE;
        block
    }

    /// One more user of a frame.
    pub fn retain(&mut self, frame: FrameId) {
        self.users[frame.0 as usize] += 1;
    }

    /// One user less; after the last, the memory is free.
    pub fn release(&mut self, frame: FrameId) {
        let users = &mut self.users[frame.0 as usize];
        *users = users.saturating_sub(1);
        if *users == 0 {
            let mut block = frame.0;
            while block != NONE {
                let next = self.next[block as usize];
                self.next[block as usize] = self.free;
                self.free = block;
                self.free_count += 1;
                block = next;
            }
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.free_count == self.untouched
    }

    /// Which packets the frame stands for.
    pub fn layout(&self, frame: FrameId) -> &Layout {
        &self.layouts[frame.0 as usize]
    }

    /// The first block of a frame: at least its headers, and whatever was in the memory before behind them.
    pub fn head(&self, frame: FrameId) -> &[u8] {
        let start = frame.0 as usize * BLOCK;
        &self.bytes[start..start + BLOCK]
    }

    /// Hands out a part of a frame, piece by piece.
    pub fn pieces(&self, frame: FrameId, part: std::ops::Range<usize>) -> impl Iterator<Item = &[u8]> {
        let mut block = frame.0;
        for _ in 0..part.start / BLOCK {
            block = self.next.get(block as usize).copied().unwrap_or(NONE);
        }
        let (mut start, mut left) = (part.start % BLOCK, part.len());
        iter::from_fn(move || {
            if left == 0 || block == NONE {
                return None;
            }
            let length = left.min(BLOCK - start);
            let from = block as usize * BLOCK + start;
            block = self.next[block as usize];
            (start, left) = (0, left - length);
            Some(&self.bytes[from..from + length])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_back_as_they_were_however_they_were_mixed(
            sizes in prop::collection::vec((1usize..70_000, any::<u8>(), any::<bool>()), 1..60),
        ) {
            let mut pool = Pool::new(1 << 20);
            let mut kept = Vec::new();
            for (size, fill, free_one) in sizes {
                let frame: Vec<u8> = (0..size).map(|n| (n as u8).wrapping_mul(fill)).collect();
                if let Some(id) = pool.store(&frame, Layout::default()) {
                    kept.push((id, frame));
                } else {
                    prop_assert!(kept.iter().map(|(_, f)| f.len() + BLOCK).sum::<usize>() + size + BLOCK > 1 << 20);
                }
                if free_one && kept.len() > 1 {
                    let (id, _) = kept.remove(0);
                    pool.retain(id);
                    pool.release(id);
                    pool.release(id);
                }
            }
            for (id, frame) in &kept {
                let part = frame.len() / 3..frame.len();
                let copy: Vec<u8> = pool.pieces(*id, part.clone()).flatten().copied().collect();
                prop_assert!(copy[..] == frame[part]);
            }
            for (id, _) in kept {
                pool.release(id);
            }
            prop_assert!(pool.is_empty());
            // All of it is free again.
            prop_assert!(pool.store(&vec![0; 1 << 20], Layout::default()).is_some());
        }
    }
}
