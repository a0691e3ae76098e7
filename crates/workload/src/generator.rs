use history::Request;

/// The requests of one workload on one object.
///
/// What is asked does not depend on what was answered: request `i` is a pure function of the seed and of `i`, so that a run
/// can be repeated, and split over threads and machines, without talk. `&mut` is for caches only.
pub trait Generator: Send {
    /// The request of this index. Written values are unique: `index + 1`.
    fn request(&mut self, index: u64) -> Request;

    /// Reads of every key that the requests handed out so far could have changed: what the final phase asks of every node,
    /// so that a lost write has nowhere to hide.
    fn final_reads(&self) -> Vec<Request>;
}

impl<G: Generator + ?Sized> Generator for Box<G> {
    fn request(&mut self, index: u64) -> Request {
        (**self).request(index)
    }

    fn final_reads(&self) -> Vec<Request> {
        (**self).final_reads()
    }
}

/// The keys that have been changed: one bit each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    words: Vec<u64>,
}

impl Touched {
    /// Nothing touched, with room for `keys` keys.
    pub(crate) fn new(keys: u32) -> Self {
        Touched { words: vec![0; (keys as usize).div_ceil(64)] }
    }

    pub(crate) fn insert(&mut self, key: u32) {
        self.words[key as usize / 64] |= 1 << (key % 64);
    }

    /// A read of each touched key, in order.
    pub(crate) fn reads(&self) -> Vec<Request> {
        let keys =
            (0..self.words.len() as u32 * 64).filter(|&key| self.words[key as usize / 64] >> (key % 64) & 1 == 1);
        keys.map(Request::read).collect()
    }
}
