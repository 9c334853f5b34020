"""The buckets in Redis: what `Meter` decides, on the server's clock, for all buckets of a call at once."""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from broker.core.rates import Rate

SCRIPT: Final = """
local now = redis.call('TIME')
local changed, helped, which, longest = {}, {}, 0, 0
local function in_use(key, per_second)
  local state = redis.call('GET', key)
  if not state then
    return 0
  end
  local second, micro, before = string.match(state, '^(%d+) (%d+) (%S+)$')
  local passed = (now[1] - second) + (now[2] - micro) / 1000000
  return math.max(0, before - math.max(0, passed) * per_second)
end
for i = 1, #KEYS / 2 do
  local key, share = KEYS[i * 2 - 1], KEYS[i * 2]
  local per_second, burst, cost, kept, share_rate, share_burst = unpack(ARGV, i * 6 - 5, i * 6)
  local used = in_use(key, per_second)
  local wait = (used + cost + kept - burst) / per_second
  if cost + 0 < 0 then
    wait = 0
  elseif wait > 1e-9 and share_rate + 0 > 0 then
    local of_share = in_use(share, share_rate) + cost
    local helps_in = math.max((of_share - share_burst) / share_rate, (used + cost - burst - 1) / per_second)
    wait = math.min(wait, helps_in)
    if helps_in <= 1e-9 then
      table.insert(helped, i)
      table.insert(changed, {share, of_share, share_rate})
    end
  end
  if wait > math.max(1e-9, longest) then
    which, longest = i, wait
  end
  table.insert(changed, {key, math.max(0, used + cost), per_second})
end
if which > 0 then
  return {which, string.format('%.17g', longest), {}}
end
for _, each in ipairs(changed) do
  local key, used, per_second = unpack(each)
  local state = string.format('%s %s %.17g', now[1], now[2], used)
  redis.call('SET', key, state, 'PX', string.format('%.0f', math.ceil(used / per_second * 1000) + 1000))
end
return {0, '0', helped}
"""
"""For each two keys, a bucket and its share: calls per second, burst, cost, and what has to be left of the bucket; and
the share's calls per second and burst, 0 where there is none. Gives 0, or which bucket refused for longest and for how
long; and of which buckets the shares had to help.

A key holds the tokens in use and when they were counted, in seconds and microseconds: a time as one number would lose
the digits that high rates need. It goes when its bucket is full, so that nothing piles up. A clock that goes back stops
the drip and no more. A negative cost gives back.
"""

DIGEST: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""By which the server knows the script (EVALSHA)."""

Answer = tuple[int, bytes, list[int]]
"""What the script gives; buckets are counted from 1."""


class Terms(NamedTuple):
    """What is asked of a bucket."""

    key: str
    rate: Rate
    cost: float
    kept: float = 0.0
    """What has to be left."""
    share: tuple[str, Rate] | None = None
    """The key and the rate of the share that helps where as much is not left."""


def operands(terms: Sequence[Terms]) -> list[str]:
    """What follows EVAL and the script, or EVALSHA and its digest."""
    keys: list[str] = []
    numbers: list[float] = []
    for key, rate, cost, kept, share in terms:
        keys += (key, key if share is None else share[0])
        of_share = (0.0, 0.0) if share is None else (share[1].per_second, share[1].burst)
        numbers += (rate.per_second, rate.burst, cost, kept, *of_share)
    return [str(len(keys)), *keys, *map(repr, numbers)]
