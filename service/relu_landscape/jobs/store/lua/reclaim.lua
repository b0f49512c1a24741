-- ttl, most barren attempts, sentence, batch -> ids that were taken from dead processes
local ttl, most, sentence = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local taken = {}
local function lapsed(id)
  return #taken < tonumber(ARGV[7]) and redis.call('EXISTS', key('lease', id)) == 0
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
