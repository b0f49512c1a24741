-- Whose turn it is, for the script that claims (claim.lua) and the one that says what will be (line.lua).
--
-- It is the turn of the payer of whose jobs the fewest compute; of several, of the one who has used the
-- least; of hers, of the job that has waited longest.
local LOOKED_AT = 1000
local shares = p .. ':shares'
local function computing_by_payer()
  local count = {}
  for _, state in ipairs({ 'running', 'cancelling' }) do
    for _, id in ipairs(redis.call('SMEMBERS', key('state', state))) do
      if redis.call('HGET', job(id), 'place') ~= 'asking' then
        count[payer(id)] = (count[payer(id)] or 0) + 1
      end
    end
  end
  return count
end
local function used_by(who)
  local used = redis.call('ZSCORE', shares, who)
  return used and tonumber(used) or nil
end
local function is_before(one, other)
  if one[1] ~= other[1] then return one[1] < other[1] end
  if one[2] ~= other[2] then return one[2] < other[2] end
  return one[3] < other[3]
end
-- Ids and sequences of those that are looked at, one after the other.
local function first_of(queue)
  return redis.call('ZRANGE', key('queue', queue), 0, LOOKED_AT - 1, 'WITHSCORES')
end
