-- id, kind, needs (algorithm/backend class), request, limit, who asks, "small" or nothing, the trace
-- that it is part of or nothing, then, of a request that is too long to be shown, what is shown of it
-- and the names of what is left out
-- -> state, or "busy"
local id, kind, needs, request, limit = ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local who = ARGV[9]
local function trace()
  if ARGV[11] ~= '' then redis.call('HSET', job(id), 'trace', ARGV[11]) end
end
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' or state == 'running' then
  whatever_the_memory()
  redis.call('HSET', job(id), wish(who), '1')
  note_asker(id, who)
  return state
end
if state == 'cancelling' then
  redis.call('HSET', job(id), 'resubmitted', '1', wish(who), '1')
  charge_to(id, who)
  note_asker(id, who)
  return state
end
if state == 'finished' and redis.call('EXISTS', key('result', id)) == 1 then return state end
if redis.call('ZCARD', p .. ':queue') >= limit then return 'busy' end
if state then
  restart(id)
  redis.call('HSET', job(id), wish(who), '1')
  trace()
  charge_to(id, who)
  note_asker(id, who)
  return 'queued'
end
local sequence = redis.call('INCR', p .. ':sequence')
redis.call('HSET', job(id), 'kind', kind, 'needs', needs, 'request', request, 'created', now(),
           'sequence', sequence, 'attempts', '0', wish(who), '1')
if ARGV[10] == 'small' then redis.call('HSET', job(id), 'small', '1') end
if ARGV[12] then
  redis.call('HSET', job(id), 'whole', request, 'request', ARGV[12], 'left_out', ARGV[13])
end
trace()
charge_to(id, who)
redis.call('ZREM', p .. ':deleted', id)
redis.call('ZADD', p .. ':jobs', sequence, id)
redis.call('ZADD', key('jobs', kind), sequence, id)
queue(id)
note_asker(id, who)
return 'queued'
