-- ids -> bytes that the result of each and its parts take
local found = {}
for i = 4, #ARGV do
  local bytes = redis.call('STRLEN', key('result', ARGV[i]))
  for _, part in ipairs(redis.call('HVALS', key('details', ARGV[i]))) do bytes = bytes + #part end
  found[i - 3] = bytes
end
return found
