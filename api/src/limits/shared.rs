//! Rate limits that all replicas share: each check is one call of a script in Redis, with the clock of Redis.

use std::{sync::LazyLock, time::Duration};

use fred::types::scripts::Script;

use super::{Class, Rule, Verdict};
use crate::redis::Redis;

/// The generic cell rate algorithm (GCRA). The key holds the time, in microseconds, at which the bucket will be full
/// again. A request moves it by one interval, and is refused if that is further ahead than the bucket's capacity. A full
/// Redis evicts what expires first (`volatile-ttl`): a key lives for at least an hour, so that cached answers go before
/// limits.
const SCRIPT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, capacity = tonumber(ARGV[1]), tonumber(ARGV[1]) * tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or 0)
if full < now then full = now end
local next = full + interval
if next - now > capacity then
  return {0, 0, next - now - capacity, full - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.max(3600000, math.ceil((next - now) / 1000)))
return {1, math.floor((capacity - (next - now)) / interval), 0, next - now}
";

static COMPILED: LazyLock<Script> = LazyLock::new(|| Script::from_lua(SCRIPT));

/// Returns `None` when Redis is unavailable. There is only one attempt: a second one could count the request twice.
pub async fn check(redis: &Redis, class: Class, rule: Rule, key: &str) -> Option<Verdict> {
    // With the rule, because under another one the time would mean something else.
    let key = format!("acorag:limit:{}:{}/{}:{key}", class.name(), rule.count, rule.seconds);
    let interval = u64::try_from(rule.interval().as_micros()).unwrap_or(u64::MAX).max(1);
    let arguments = vec![interval.to_string(), rule.count.to_string()];
    let [allowed, remaining, retry, reset] = redis
        .ask(async |pool| {
            let answer: Vec<u64> = COMPILED.evalsha_with_reload(pool.next(), key, arguments).await?;
            Ok(<[u64; 4]>::try_from(answer).unwrap_or([1, 0, 0, 0]))
        })
        .await?;
    Some(Verdict {
        allowed: allowed == 1,
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        retry: Duration::from_micros(retry),
        reset: Duration::from_micros(reset),
    })
}
