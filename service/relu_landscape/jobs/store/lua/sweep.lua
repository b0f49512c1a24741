-- batch -> number of jobs forgotten
local ids = redis.call('ZRANGEBYSCORE', p .. ':expiry', '-inf', now(), 'LIMIT', 0, ARGV[4])
for _, id in ipairs(ids) do
  local state = redis.call('HGET', job(id), 'state')
  if state then redis.call('SREM', key('state', state), id) end
  unqueue(id, queue_of(id))
  redis.call('ZREM', p .. ':jobs', id)
  redis.call('ZREM', key('jobs', kind_of(id)), id)
  redis.call('DEL', job(id), key('chunks', id), key('result', id),
             key('details', id), key('events', id))
  redis.call('ZREM', p .. ':expiry', id)
end
return #ids
