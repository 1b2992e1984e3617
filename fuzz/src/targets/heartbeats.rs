//! Heartbeats. The run's secret is known to the one who mends them: their content is tried, too.

use std::time::Duration;

use node::wire::message::{Heartbeat, Work};
use node::wire::secret::Secret;

use crate::lots::Lots;
use crate::{Limit, Target};

/// Bytes of a tag at the end.
const TAG: usize = 16;

pub struct Heartbeats {
    secret: Secret,
}

/// Always the same, so that an input that was kept means the same.
pub fn secret() -> Secret {
    serde_json::from_str("\"000102030405060708090a0b0c0d0e0f\"").expect("32 hexadecimal digits")
}

impl Heartbeats {
    pub fn new() -> Heartbeats {
        Heartbeats { secret: secret() }
    }
}

impl Target for Heartbeats {
    fn name(&self) -> &'static str {
        "heartbeats"
    }

    fn limit(&self) -> Limit {
        Limit { times: 4, bytes: 4 << 10 }
    }

    fn longest(&self) -> usize {
        2048
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let numbers = [(0, 1, 0), (7, u64::MAX, 300), (u32::MAX, 1 << 40, u64::MAX)];
        let work = Work { epoch: 300, requests: 1 << 20, computed: Duration::from_micros(1_234_567) };
        let heartbeat = |(worker, incarnation, sequence)| {
            let work = (sequence > 0).then_some(work);
            Heartbeat { worker, incarnation, sequence, epoch: 3, work }
        };
        numbers.into_iter().filter_map(|numbers| heartbeat(numbers).to_datagram(&self.secret).ok()).collect()
    }

    fn mend(&self, input: &mut Vec<u8>, _lots: &mut Lots) {
        let content = input.len().saturating_sub(TAG);
        let tag = self.secret.tag("heartbeat", &[&input[..content]]);
        input.truncate(content);
        input.extend(tag);
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let Ok(heartbeat) = Heartbeat::from_datagram(input, &self.secret) else { return Ok(false) };
        let again =
            heartbeat.to_datagram(&self.secret).and_then(|bytes| Heartbeat::from_datagram(&bytes, &self.secret));
        if again.is_ok_and(|again| again == heartbeat) { Ok(true) } else { Err("it does not read back".to_owned()) }
    }
}
