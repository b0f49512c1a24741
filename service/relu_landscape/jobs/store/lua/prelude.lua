-- Begins every script: ARGV[1] is the prefix of all keys, ARGV[2] the events kept per job,
-- ARGV[3] the seconds for which the chunks of a job without a result are kept. A script's own
-- arguments begin at ARGV[4].
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
-- Lists follow what changed (store/lists.py): each job by the number of its latest change, and those
-- that are gone, of which the last 20,000 are remembered. Never a script's first write.
local function next_change()
  local number = redis.call('INCR', p .. ':changed')
  if number == 1 then redis.call('SET', p .. ':changes-since', now()) end
  return number
end
local function changed(id)
  redis.call('ZREM', p .. ':gone', id)
  redis.call('ZADD', p .. ':changes', next_change(), id)
end
local function gone(id)
  redis.call('ZREM', p .. ':changes', id)
  redis.call('ZADD', p .. ':gone', next_change(), id)
  local old = redis.call('ZRANGE', p .. ':gone', 0, -20001, 'WITHSCORES')
  for i = 1, #old, 2 do
    redis.call('ZREM', p .. ':gone', old[i])
    redis.call('SET', p .. ':gone-until', old[i + 1])
  end
end
-- Who asked for a job, once each, however it ends; a sweep (kind:id) that asks for others is nobody.
local function note_asker(id, who)
  if who:find(':', 1, true) then return 0 end
  local known = redis.call('HGET', job(id), 'asked')
  if known and (',' .. known .. ','):find(',' .. who .. ',', 1, true) then return 0 end
  redis.call('HSET', job(id), 'asked', known and known .. ',' .. who or who)
  changed(id)
  return 1
end
local function enter(id, state, error)
  local old = redis.call('HGET', job(id), 'state')
  if old then redis.call('SREM', key('state', old), id) end
  redis.call('SADD', key('state', state), id)
  redis.call('HSET', job(id), 'state', state)
  local data = { state = state }
  if error then data['error'] = error end
  emit(id, 'state', cjson.encode(data))
  changed(id)
end
local function kind_of(id) return redis.call('HGET', job(id), 'kind') or '' end
-- Kind, algorithm and backend class: whoever claims from a queue can compute what stands in it.
-- Small jobs stand apart from the others, so that places can be kept for them.
local function queue_of(id)
  local name = kind_of(id) .. '/' .. (redis.call('HGET', job(id), 'needs') or '')
  return redis.call('HEXISTS', job(id), 'small') == 1 and name .. '/small' or name
end
local function queue(id)
  local sequence = redis.call('HGET', job(id), 'sequence')
  redis.call('ZADD', p .. ':queue', sequence, id)
  redis.call('ZADD', key('queue', queue_of(id)), sequence, id)
  redis.call('SADD', p .. ':queues', queue_of(id))
  enter(id, 'queued')
end
local function unqueue(id, queue)
  redis.call('ZREM', p .. ':queue', id)
  redis.call('ZREM', key('queue', queue), id)
  if redis.call('EXISTS', key('queue', queue)) == 0 then
    redis.call('SREM', p .. ':queues', queue)
  end
end
local function forget(id)
  local state = redis.call('HGET', job(id), 'state')
  if state then redis.call('SREM', key('state', state), id) end
  unqueue(id, queue_of(id))
  redis.call('ZREM', p .. ':jobs', id)
  redis.call('ZREM', key('jobs', kind_of(id)), id)
  redis.call('DEL', job(id), key('chunks', id), key('result', id),
             key('details', id), key('events', id))
  gone(id)
end
local function release(id)
  redis.call('HDEL', job(id), 'token', 'holder', 'claim', 'renewals', 'place')
end
-- Who wants a job that is not over, one field of its hash each.
local function wish(who) return 'wanted:' .. who end
local function wishes(id)
  local found = {}
  for _, name in ipairs(redis.call('HKEYS', job(id))) do
    if name:sub(1, 7) == 'wanted:' then found[#found + 1] = name end
  end
  return found
end
-- On whose account it computes: a key's name. What another job asks for is its asker's.
local function payer(id) return redis.call('HGET', job(id), 'payer') or 'anyone' end
local function account(who)
  local asking = who:match('^[^:]+:(.+)$')
  return asking and payer(asking) or who
end
local function charge_to(id, who) redis.call('HSET', job(id), 'payer', account(who)) end
local function over(id, state, ttl, error)
  release(id)
  redis.call('HDEL', job(id), 'payer', 'trace')
  for _, name in ipairs(wishes(id)) do redis.call('HDEL', job(id), name) end
  unqueue(id, queue_of(id))
  redis.call('HSET', job(id), 'finished', now(), 'error', error or '')
  redis.call('HDEL', job(id), 'barren')
  redis.call('EXPIRE', key('chunks', id), tonumber(ARGV[3]))
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
-- A finished result that somebody wants to keep, whatever its age and the room that it takes.
local function pinned(id) return redis.call('HGET', job(id), 'pinned') end
local function holds(id, token)
  return redis.call('HGET', job(id), 'token') == token
end
-- Whether the job still is held by the process that said it would compute an answer.
local function is_made(maker)
  local id, token = (maker or ''):match('^(%S+) (%S+)$')
  return id and holds(id, token)
end
-- At maxmemory a script's first write must be one that can free some; after it the others pass.
local function whatever_the_memory() redis.call('DEL', p .. ':nothing') end
local function forget_memos(names)
  for _, name in ipairs(names) do
    redis.call('ZREM', p .. ':memos', name)
    redis.call('DEL', key('memo', name))
  end
end
