-- id, token, names -> for each 1 if this job is to compute what is kept under it, 0 if another one
-- does, which some process holds; "lost"
local id, token = ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
local found = {}
whatever_the_memory()
for i = 6, #ARGV do
  local maker = redis.call('HGET', p .. ':making', ARGV[i])
  if is_made(maker) and maker:match('^%S+') ~= id then
    found[i - 5] = 0
  else
    -- What is there already is made by nobody: whoever asks finds it when it looks once more, and if
    -- it is dropped one day, nobody is to wait for a job that never meant to compute it.
    if redis.call('EXISTS', key('memo', ARGV[i])) == 0 then
      redis.call('HSET', p .. ':making', ARGV[i], id .. ' ' .. token)
    end
    found[i - 5] = 1
  end
end
return found
