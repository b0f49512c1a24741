"""Every change of a job's state, as Lua that the store runs in one piece.

Keys, all under a prefix ``p``::

    p:job:<id>       hash: state, request, created, sequence, started, finished, error, attempts,
                     barren, token, resubmitted, progress, findings
    p:lease:<id>     the token of the process that runs the job; expires
    p:chunks:<id>    hash: finished chunks of an unfinished job
    p:result:<id>    the result's bytes          p:details:<id>   hash: details per fixed point
    p:events:<id>    capped stream
    p:jobs           zset: every id by sequence  p:queue          zset: waiting ids by sequence
    p:state:<state>  set of ids                  p:expiry         zset: ids by time to forget
    p:sequence, p:tokens                         counters

``token`` in the job's hash is the fence: only the process that got it from ``CLAIM`` may write,
and taking a job away from a process means changing it. Commands and their options exist in
Redis 5 to 7.0. Keys are built inside the scripts, so a Redis Cluster is not supported.
"""

from __future__ import annotations

from typing import Any

#: Attempts in a row that died without finishing a single chunk, before a job counts as deadly.
#: Ordinary crashes come at random moments and hardly ever ten times within one chunk.
LARGEST_BARREN_ATTEMPTS = 10

#: A cancelled or failed job that is submitted again goes on from its chunks; after a day they are
#: dropped (and would be computed again), because they are the bulkiest thing in the store.
LEFT_CHUNKS_SECONDS = 86_400

#: Ids handled per call of the scripts that sweep, so that none blocks the store for long.
SWEEP_BATCH = 200

_PRELUDE = """
local p = ARGV[1]
local function job(id) return p .. ':job:' .. id end
local function key(name, id) return p .. ':' .. name .. ':' .. id end
local function now()
  local t = redis.call('TIME')
  return t[1] .. '.' .. string.format('%06d', t[2])
end
local function emit(id, name, data)
  redis.call('XADD', key('events', id), 'MAXLEN', '~', tonumber(ARGV[2]), '*',
             'name', name, 'data', data)
end
local function enter(id, state, error)
  local old = redis.call('HGET', job(id), 'state')
  if old then redis.call('SREM', key('state', old), id) end
  redis.call('SADD', key('state', state), id)
  redis.call('HSET', job(id), 'state', state)
  local data = { state = state }
  if error then data['error'] = error end
  emit(id, 'state', cjson.encode(data))
end
local function queue(id)
  redis.call('ZADD', p .. ':queue', redis.call('HGET', job(id), 'sequence'), id)
  enter(id, 'queued')
end
local function release(id)
  redis.call('HDEL', job(id), 'token')
  redis.call('DEL', key('lease', id))
end
local function over(id, state, ttl, error)
  release(id)
  redis.call('ZREM', p .. ':queue', id)
  redis.call('HSET', job(id), 'finished', now(), 'error', error or '')
  redis.call('HDEL', job(id), 'barren')
  redis.call('EXPIRE', key('chunks', id), LEFT_CHUNKS_SECONDS)
  enter(id, state, error)
  if ttl > 0 then redis.call('ZADD', p .. ':expiry', tonumber(now()) + ttl, id) end
end
local function restart(id)
  redis.call('HDEL', job(id), 'error', 'finished', 'resubmitted', 'barren', 'started')
  redis.call('HSET', job(id), 'attempts', '0', 'progress', '', 'findings', '')
  redis.call('DEL', key('events', id))
  redis.call('PERSIST', key('chunks', id))
  redis.call('ZREM', p .. ':expiry', id)
  queue(id)
end
local function cancelled(id, ttl)
  if redis.call('HGET', job(id), 'resubmitted') then
    release(id)
    restart(id)
    return 'queued'
  end
  over(id, 'cancelled', ttl)
  return 'cancelled'
end
local function holds(id, token)
  return redis.call('HGET', job(id), 'token') == token
end
""".replace("LEFT_CHUNKS_SECONDS", str(LEFT_CHUNKS_SECONDS))

#: id, request, limit -> state, or "busy"
_SUBMIT = """
local id, request, limit = ARGV[3], ARGV[4], tonumber(ARGV[5])
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' or state == 'running' then return state end
if state == 'cancelling' then
  redis.call('HSET', job(id), 'resubmitted', '1')
  return state
end
if state == 'finished' and redis.call('EXISTS', key('result', id)) == 1 then return state end
if redis.call('ZCARD', p .. ':queue') >= limit then return 'busy' end
if state then restart(id) return 'queued' end
local sequence = redis.call('INCR', p .. ':sequence')
redis.call('HSET', job(id), 'request', request, 'created', now(), 'sequence', sequence,
           'attempts', '0')
redis.call('ZADD', p .. ':jobs', sequence, id)
queue(id)
return 'queued'
"""

#: id, ttl -> state, or nil
_CANCEL = """
local id, ttl = ARGV[3], tonumber(ARGV[4])
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' then return cancelled(id, ttl) end
if state == 'cancelling' then redis.call('HDEL', job(id), 'resubmitted') end
if state == 'running' then
  enter(id, 'cancelling')
  return 'cancelling'
end
return state
"""

#: lease in ms -> {id, token, request, started, attempts}, or nil
_CLAIM = """
while true do
  local id = redis.call('ZRANGE', p .. ':queue', 0, 0)[1]
  if not id then return nil end
  redis.call('ZREM', p .. ':queue', id)
  local request = redis.call('HGET', job(id), 'request')
  if request then
    local token = tostring(redis.call('INCR', p .. ':tokens'))
    redis.call('SET', key('lease', id), token, 'PX', tonumber(ARGV[3]))
    redis.call('HSET', job(id), 'token', token)
    redis.call('HSETNX', job(id), 'started', now())
    redis.call('HINCRBY', job(id), 'barren', 1)
    local attempts = redis.call('HINCRBY', job(id), 'attempts', 1)
    enter(id, 'running')
    return { id, token, request, redis.call('HGET', job(id), 'started'), attempts }
  end
end
"""

#: id, token, lease in ms -> "held", "cancel" or "lost"
_RENEW = """
local id, token = ARGV[3], ARGV[4]
if not holds(id, token) then return 'lost' end
redis.call('SET', key('lease', id), token, 'PX', tonumber(ARGV[5]))
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
"""

#: id, token, chunk, answer -> "held", "cancel" or "lost"
_CHECKPOINT = """
local id, token = ARGV[3], ARGV[4]
if not holds(id, token) then return 'lost' end
redis.call('HSET', key('chunks', id), ARGV[5], ARGV[6])
redis.call('HDEL', job(id), 'barren')
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
"""

#: id, token, progress or findings, JSON -> "held", "cancel" or "lost"
_REPORT = """
local id, token = ARGV[3], ARGV[4]
if not holds(id, token) then return 'lost' end
redis.call('HSET', job(id), ARGV[5], ARGV[6])
emit(id, ARGV[5], ARGV[6])
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
"""

#: id, token, ttl, result, then pairs of fixed-point key and details -> "held" or "lost"
_FINISH = """
local id, token, ttl = ARGV[3], ARGV[4], tonumber(ARGV[5])
if not holds(id, token) then return 'lost' end
redis.call('SET', key('result', id), ARGV[6])
redis.call('DEL', key('details', id), key('chunks', id))
for i = 7, #ARGV, 2 do redis.call('HSET', key('details', id), ARGV[i], ARGV[i + 1]) end
redis.call('HDEL', job(id), 'resubmitted', 'findings')
over(id, 'finished', ttl)
return 'held'
"""

#: id, token, ttl, outcome (failed, cancelled, returned), error -> "held" or "lost"
_STOP = """
local id, token, ttl, outcome = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
if not holds(id, token) then return 'lost' end
local cancelling = redis.call('HGET', job(id), 'state') == 'cancelling'
if outcome == 'cancelled' or (cancelling and outcome ~= 'failed') then
  cancelled(id, ttl)
elseif outcome == 'failed' then
  redis.call('HDEL', job(id), 'resubmitted')
  over(id, 'failed', ttl, ARGV[7])
else
  redis.call('HDEL', job(id), 'barren')
  release(id)
  queue(id)
end
return 'held'
"""

#: ttl, most barren attempts, sentence, batch -> ids that were taken from dead processes
_RECLAIM = """
local ttl, most, sentence = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local taken = {}
local function lapsed(id)
  return #taken < tonumber(ARGV[6]) and redis.call('EXISTS', key('lease', id)) == 0
end
for _, id in ipairs(redis.call('SMEMBERS', key('state', 'cancelling'))) do
  if lapsed(id) then
    taken[#taken + 1] = id
    cancelled(id, ttl)
  end
end
for _, id in ipairs(redis.call('SMEMBERS', key('state', 'running'))) do
  if lapsed(id) then
    taken[#taken + 1] = id
    if tonumber(redis.call('HGET', job(id), 'barren') or '0') >= most then
      over(id, 'failed', ttl, sentence)
    else
      release(id)
      queue(id)
    end
  end
end
return taken
"""

#: batch -> number of jobs forgotten
_SWEEP = """
local ids = redis.call('ZRANGEBYSCORE', p .. ':expiry', '-inf', now(), 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do
  local state = redis.call('HGET', job(id), 'state')
  if state then redis.call('SREM', key('state', state), id) end
  redis.call('DEL', job(id), key('lease', id), key('chunks', id), key('result', id),
             key('details', id), key('events', id))
  redis.call('ZREM', p .. ':jobs', id)
  redis.call('ZREM', p .. ':queue', id)
  redis.call('ZREM', p .. ':expiry', id)
end
return #ids
"""

SOURCES = {
    "submit": _SUBMIT,
    "cancel": _CANCEL,
    "claim": _CLAIM,
    "renew": _RENEW,
    "checkpoint": _CHECKPOINT,
    "report": _REPORT,
    "finish": _FINISH,
    "stop": _STOP,
    "reclaim": _RECLAIM,
    "sweep": _SWEEP,
}


class Scripts:
    """The scripts, registered with one client (of threads or of the event loop)."""

    def __init__(self, client: Any, prefix: str, events_kept: int) -> None:
        self._scripts = {
            name: client.register_script(_PRELUDE + source) for name, source in SOURCES.items()
        }
        self._first = (prefix, events_kept)

    def run(self, name: str, *arguments: bytes | str | float) -> Any:
        """The script's answer, or with an event-loop client an awaitable of it."""
        return self._scripts[name](args=[*self._first, *arguments])


class Keys:
    """Names of the keys that are read outside the scripts."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.jobs = f"{prefix}:jobs"
        self.queue = f"{prefix}:queue"

    def of(self, kind: str, name: str) -> str:
        return f"{self.prefix}:{kind}:{name}"
