-- ttl, most barren deaths, sentence, who asks, then id, token and renewals of each
-- -> ids that were taken from dead processes
local ttl, most, sentence, holder = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
local taken = {}
local function has(id, name, value) return (redis.call('HGET', job(id), name) or '') == value end
local function unchanged(id, token, renewals)
  local count = redis.call('HGET', job(id), 'renewals') or '0'
  return (has(id, 'state', 'running') or has(id, 'state', 'cancelling'))
    and has(id, 'token', token) and count == renewals
end
-- Whoever asks is alive, so a job that it held itself (and forgot) has not killed it.
local function is_deadly(id)
  return not has(id, 'holder', holder) and redis.call('HINCRBY', job(id), 'barren', 1) >= most
end
for i = 8, #ARGV, 3 do
  local id = ARGV[i]
  if unchanged(id, ARGV[i + 1], ARGV[i + 2]) then
    taken[#taken + 1] = id
    if has(id, 'state', 'cancelling') then
      cancelled(id, ttl)
    elseif is_deadly(id) then
      over(id, 'failed', ttl, sentence)
    else
      release(id)
      queue(id)
    end
  end
end
return taken
