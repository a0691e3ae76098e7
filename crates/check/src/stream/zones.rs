//! The zones of one key in the order in which their values were first seen, with the greatest `s` of any prefix in logarithmic time.

/// The greatest `s` of some zones, whose it is, and the greatest of the others: so that one of them can be left out.
#[derive(Clone, Copy, Debug, Default)]
struct Top {
    most: u64,
    whose: u64,
    other: u64,
}

impl Top {
    /// A zone is among these, with at least this `s`.
    #[inline]
    fn raise(&mut self, f: u64, s: u64) {
        if self.whose == f {
            self.most = self.most.max(s);
        } else if s > self.most {
            *self = Top { most: s, whose: f, other: self.most };
        } else {
            self.other = self.other.max(s);
        }
    }

    /// These zones and those.
    #[inline]
    fn with(&mut self, those: Top) {
        self.raise(those.whose, those.most);
        self.other = self.other.max(those.other);
    }

    /// The greatest of all but one.
    #[inline]
    fn but(self, f: u64) -> u64 {
        if self.whose == f { self.other } else { self.most }
    }
}

/// One zone: `f` is the earliest completion, which names it, `s` the latest invocation.
#[derive(Clone, Copy, Debug)]
struct Zone {
    f: u64,
    s: u64,
    /// A node of a Fenwick tree: of this zone and as many before it as the lowest bit of its place says.
    top: Top,
}

/// The zones of a key.
#[derive(Debug, Default)]
pub(super) struct Zones {
    /// Those that were first seen before everything under way was invoked.
    settled: Top,
    /// The greatest `f` of these.
    last_settled: u64,
    /// The others, in order of `f`.
    list: Vec<Zone>,
}

impl Zones {
    /// A new zone, whose `f` is greater than all before.
    pub(super) fn push(&mut self, f: u64, s: u64) {
        self.list.push(Zone { f, s, top: Top::default() });
        self.grow_node(self.list.len());
    }

    fn grow_node(&mut self, place: usize) {
        let zone = self.list[place - 1];
        let mut top = Top { most: zone.s, whose: zone.f, other: 0 };
        let mut step = 1;
        while step < lowest_bit(place) {
            top.with(self.list[place - step - 1].top);
            step *= 2;
        }
        self.list[place - 1].top = top;
    }

    /// The zone was seen by an operation that was invoked at `s`. False if that is no news.
    pub(super) fn raise(&mut self, f: u64, s: u64) -> bool {
        let Ok(index) = self.list.binary_search_by_key(&f, |zone| zone.f) else {
            self.settled.raise(f, s);
            return true;
        };
        if self.list[index].s >= s {
            return false;
        }
        self.list[index].s = s;
        let mut place = index + 1;
        while place <= self.list.len() {
            self.list[place - 1].top.raise(f, s);
            place += lowest_bit(place);
        }
        true
    }

    /// Whether the zone is certainly over: another one that was first seen before `rank` has an operation that was invoked after
    /// this one was seen.
    pub(super) fn is_over(&self, f: u64, rank: u64) -> bool {
        if self.settled.but(f) > f {
            return true;
        }
        let mut place = self.list.partition_point(|zone| zone.f < rank);
        while place > 0 {
            if self.list[place - 1].top.but(f) > f {
                return true;
            }
            place -= lowest_bit(place);
        }
        false
    }

    /// Whether the zone is over for everything that is under way or will come. Conservative: as of the last [`Zones::settle`].
    pub(super) fn is_done(&self, f: u64) -> bool {
        self.settled.but(f) > f && self.list.first().is_none_or(|first| f < first.f)
    }

    /// Whether all other zones that were seen are certainly before this one. False if that is not known any more.
    pub(super) fn is_last(&self, f: u64) -> bool {
        let Ok(index) = self.list.binary_search_by_key(&f, |zone| zone.f) else { return false };
        let others = self.list.iter().rev().map(|zone| zone.f).chain([self.last_settled]);
        others.take(2).find(|other| *other != f).is_some_and(|other| other < self.list[index].s)
    }

    /// Forgets the single zones below the watermark; amortised, constant time for each.
    pub(super) fn settle(&mut self, watermark: u64) {
        let below = self.list.partition_point(|zone| zone.f < watermark);
        if below == 0 || 2 * below < self.list.len() {
            return;
        }
        for zone in self.list.drain(..below) {
            self.settled.raise(zone.f, zone.s);
            self.last_settled = zone.f;
        }
        (1..=self.list.len()).for_each(|place| self.grow_node(place));
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

fn lowest_bit(place: usize) -> usize {
    place & place.wrapping_neg()
}
