-- names -> the answer under each, or false; those that are there are used now
local found = {}
whatever_the_memory()
for i = 4, #ARGV do
  found[i - 3] = redis.call('GET', key('memo', ARGV[i]))
  if found[i - 3] then redis.call('ZADD', p .. ':memos', now(), ARGV[i]) end
end
return found
