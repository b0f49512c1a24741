-- holder, name of this call, "1" if it is made again, the place that it would take, then the queues of
-- what the caller can compute
-- -> {id, kind, token, request, seconds since the first start, attempts, payer, place, trace} of the job
-- whose turn it is, or nil; of a call that is made again the place that the first one took
--
-- Of those whose turn it is (turn.lua); in the place "own" of one of whose jobs none computes.
local holder, call, again, place = ARGV[4], ARGV[5], ARGV[6] == '1', ARGV[7]
local function whose_turn(computing)
  local found, queue, first
  local used = {}
  for i = 8, #ARGV do
    local waiting = first_of(ARGV[i])
    for n = 1, #waiting, 2 do
      local who = payer(waiting[n])
      used[who] = used[who] or used_by(who) or 0
      local rank = { computing[who] or 0, used[who], tonumber(waiting[n + 1]) }
      if (place ~= 'own' or rank[1] == 0) and (not first or is_before(rank, first)) then
        found, queue, first = waiting[n], ARGV[i], rank
      end
    end
  end
  return found, queue
end
-- Who comes anew has used as much as the least of those who are there: nothing is saved up, and
-- nobody pays for what was used while nobody else wanted it.
local function level(who, computing)
  if not next(computing) then return redis.call('DEL', shares) end
  if computing[who] then return end
  local least
  for other in pairs(computing) do
    local used = redis.call('ZSCORE', shares, other)
    if used and (not least or tonumber(used) < tonumber(least)) then least = used end
  end
  if not least then return end
  redis.call('ZREMRANGEBYSCORE', shares, '-inf', '(' .. least)
  if not redis.call('ZSCORE', shares, who) then redis.call('ZADD', shares, least, who) end
end
local function answer(id)
  local get = function(name) return redis.call('HGET', job(id), name) end
  local seconds = tostring(tonumber(now()) - tonumber(get('started')))
  local request = get('whole') or get('request')
  return { id, kind_of(id), get('token'), request, seconds, tonumber(get('attempts')), payer(id),
           get('place'), get('trace') or '' }
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
  local computing = computing_by_payer()
  local id, queue = whose_turn(computing)
  if not id then return nil end
  -- The first write is one that a full memory refuses, so that nothing is half done then. The
  -- number counts from 1 again in a store that was emptied; the name of the call is nobody else's.
  token = token or redis.call('INCR', p .. ':tokens') .. '-' .. call
  -- By the queue it stands in: the job itself may be gone, and what it needs with it.
  unqueue(id, queue)
  if redis.call('HEXISTS', job(id), 'request') == 1 then
    if place ~= 'asking' then level(payer(id), computing) end
    redis.call('HSET', job(id), 'token', token, 'holder', holder, 'claim', call, 'renewals', '0',
               'place', place)
    redis.call('HSETNX', job(id), 'started', now())
    redis.call('HINCRBY', job(id), 'attempts', 1)
    enter(id, 'running')
    return answer(id)
  end
end
