-- -> id, token and renewals of every job that a process holds, one after the other
local found = {}
for _, state in ipairs({ 'running', 'cancelling' }) do
  for _, id in ipairs(redis.call('SMEMBERS', key('state', state))) do
    if redis.call('EXISTS', job(id)) == 1 then
      found[#found + 1] = id
      found[#found + 1] = redis.call('HGET', job(id), 'token') or ''
      found[#found + 1] = redis.call('HGET', job(id), 'renewals') or '0'
    end
  end
end
-- A write like that of a renewal: where the store refuses those, nobody may conclude from
-- renewals that are missing that a process has died.
if #found > 0 then
  whatever_the_memory()
  redis.call('INCR', p .. ':looks')
end
return found
