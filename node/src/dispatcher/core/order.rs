//! Answers in the order in which their requests were admitted over the client's present connection: an answer that
//! comes early is held back.

use std::collections::BTreeMap;

use super::ledger::Answer;

/// The line in which requests stand for their answers.
#[derive(Debug, Default)]
pub struct Order {
    next: u64,
    places: BTreeMap<u64, u64>,
    line: BTreeMap<u64, (u64, Option<Answer>)>,
    held: usize,
}

impl Order {
    /// Another connection begins: nobody stands in the line.
    pub fn clear(&mut self) {
        *self = Order::default();
    }

    /// A request was admitted. One that stands in the line keeps its place.
    pub fn enter(&mut self, request: u64) {
        if !self.places.contains_key(&request) {
            self.places.insert(request, self.next);
            self.line.insert(self.next, (request, None));
            self.next += 1;
        }
    }

    /// A request has its answer: the answers that may go out now, in order.
    pub fn answered(&mut self, request: u64, answer: Answer) -> Vec<(u64, Answer)> {
        let place = self.places.get(&request).and_then(|place| self.line.get_mut(place));
        let Some((_, held @ None)) = place else { return Vec::new() };
        *held = Some(answer);
        self.held += 1;
        let mut free = Vec::new();
        while let Some(first) = self.line.first_entry() {
            if first.get().1.is_none() {
                break;
            }
            if let (request, Some(answer)) = first.remove() {
                self.places.remove(&request);
                self.held -= 1;
                free.push((request, answer));
            }
        }
        free
    }

    /// How many answers are held back.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The request that the others wait for.
    pub fn head(&self) -> Option<u64> {
        self.line.first_key_value().map(|(_, (request, _))| *request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_out_in_the_order_of_the_requests() {
        let answer = |reason: &str| Answer::Refused { reason: reason.to_owned() };
        let mut order = Order::default();
        [7, 3, 9, 3].into_iter().for_each(|request| order.enter(request));
        assert!(order.answered(3, answer("b")).is_empty());
        assert!(order.answered(5, answer("x")).is_empty(), "nobody asked");
        assert_eq!((order.held(), order.head()), (1, Some(7)));
        assert_eq!(order.answered(7, answer("a")), [(7, answer("a")), (3, answer("b"))]);
        assert_eq!(order.answered(9, answer("c")), [(9, answer("c"))]);
        assert_eq!((order.held(), order.head()), (0, None));
    }
}
