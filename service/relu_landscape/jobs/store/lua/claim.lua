-- holder, name of this call, "1" if it is made again, then the queues of what the caller can compute
-- -> {id, kind, token, request, seconds since the first start, attempts} of the job that has waited
-- longest, or nil
local holder, call, again = ARGV[4], ARGV[5], ARGV[6] == '1'
local function longest_waiting()
  local found, queue, least
  for i = 7, #ARGV do
    local head = redis.call('ZRANGE', key('queue', ARGV[i]), 0, 0, 'WITHSCORES')
    if head[1] and (not least or tonumber(head[2]) < least) then
      found, queue, least = head[1], ARGV[i], tonumber(head[2])
    end
  end
  return found, queue
end
local function answer(id)
  local get = function(name) return redis.call('HGET', job(id), name) end
  local seconds = tostring(tonumber(now()) - tonumber(get('started')))
  local request = get('whole') or get('request')
  return { id, kind_of(id), get('token'), request, seconds, tonumber(get('attempts')) }
end
-- The answer of the first call may have been lost on its way: then its job is running already.
if again then
  for _, state in ipairs({ 'running', 'cancelling' }) do
    for _, id in ipairs(redis.call('SMEMBERS', key('state', state))) do
      if redis.call('HGET', job(id), 'claim') == call then return answer(id) end
    end
  end
end
local token
while true do
  local id, queue = longest_waiting()
  if not id then return nil end
  -- The first write is one that a full memory refuses, so that nothing is half done then.
  token = token or tostring(redis.call('INCR', p .. ':tokens'))
  -- By the queue it stands in: the job itself may be gone, and what it needs with it.
  unqueue(id, queue)
  if redis.call('HEXISTS', job(id), 'request') == 1 then
    redis.call('HSET', job(id), 'token', token, 'holder', holder, 'claim', call, 'renewals', '0')
    redis.call('HSETNX', job(id), 'started', now())
    redis.call('HINCRBY', job(id), 'attempts', 1)
    enter(id, 'running')
    return answer(id)
  end
end
