//! A map with room for so many entries: the one unused for longest makes room.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps what was used last. Strangers choose the keys, so that a map without a
/// bound would be theirs to fill.
pub(super) struct Bounded<K, V> {
    entries: HashMap<K, (V, u64)>,
    most: usize,
    uses: u64,
}

impl<K: Copy + Eq + Hash, V: Default> Bounded<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            entries: HashMap::new(),
            most,
            uses: 0,
        }
    }

    /// The entry of a key; a new one if there is none.
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        if !self.entries.contains_key(&key) && self.entries.len() == self.most {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.entries.remove(&oldest);
            }
        }
        self.uses += 1;
        let (value, used) = self.entries.entry(key).or_default();
        *used = self.uses;
        value
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut map: Bounded<u32, u32> = Bounded::new(2);
        *map.entry(1) += 1;
        *map.entry(2) += 1;
        *map.entry(1) += 1;
        *map.entry(3) += 1;
        assert_eq!((map.len(), *map.entry(1)), (2, 2));
        assert_eq!(*map.entry(2), 0, "it made room for 3");
    }
}
