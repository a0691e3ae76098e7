//! Sorting what is nearly in order, as histories are: they come in order of invocation, and operations are short.

/// Sorts by `key`: linear where every item is a bounded number of places from where it belongs. Where it is not, the library's
/// sort takes over.
pub(crate) fn nearly_sorted<T: Copy, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let mut moves = 16 * items.len();
    for i in 1..items.len() {
        let item = items[i];
        let mut at = i;
        while at > 0 && key(&item) < key(&items[at - 1]) {
            items[at] = items[at - 1];
            at -= 1;
            if moves == 0 {
                items[at] = item;
                return items.sort_unstable_by_key(key);
            }
            moves -= 1;
        }
        items[at] = item;
    }
}
