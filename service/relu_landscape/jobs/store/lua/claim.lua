-- lease in ms, then the queues of what the caller can compute
-- -> {id, kind, token, request, started, attempts} of the job that has waited longest, or nil
local function longest_waiting()
  local found, queue, least
  for i = 5, #ARGV do
    local head = redis.call('ZRANGE', key('queue', ARGV[i]), 0, 0, 'WITHSCORES')
    if head[1] and (not least or tonumber(head[2]) < least) then
      found, queue, least = head[1], ARGV[i], tonumber(head[2])
    end
  end
  return found, queue
end
while true do
  local id, queue = longest_waiting()
  if not id then return nil end
  -- By the queue it stands in: the job itself may be gone, and what it needs with it.
  unqueue(id, queue)
  local request = redis.call('HGET', job(id), 'request')
  if request then
    local token = tostring(redis.call('INCR', p .. ':tokens'))
    redis.call('SET', key('lease', id), token, 'PX', tonumber(ARGV[4]))
    redis.call('HSET', job(id), 'token', token)
    redis.call('HSETNX', job(id), 'started', now())
    redis.call('HINCRBY', job(id), 'barren', 1)
    local attempts = redis.call('HINCRBY', job(id), 'attempts', 1)
    enter(id, 'running')
    return { id, kind_of(id), token, request, redis.call('HGET', job(id), 'started'), attempts }
  end
end
