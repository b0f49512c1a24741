-- batch, ttl -> number of jobs whose time had come; all but those that are pinned are forgotten
local ids = redis.call('ZRANGEBYSCORE', p .. ':expiry', '-inf', now(), 'LIMIT', 0, ARGV[4])
for _, id in ipairs(ids) do
  local state = redis.call('HGET', job(id), 'state')
  if not (state == 'finished' and pinned(id)) then forget(id) end
  redis.call('ZREM', p .. ':expiry', id)
end
local ttl = tonumber(ARGV[5])
if ttl > 0 then
  local last = tonumber(now()) - ttl
  forget_memos(redis.call('ZRANGEBYSCORE', p .. ':memos', '-inf', last, 'LIMIT', 0, ARGV[4]))
end
local makers = redis.call('HGETALL', p .. ':making')
for i = 1, #makers, 2 do
  if not is_made(makers[i + 1]) then redis.call('HDEL', p .. ':making', makers[i]) end
end
-- Nobody misses them but for the time that they save, so they make room for jobs.
local memory = redis.pcall('INFO', 'memory')
if type(memory) == 'string' then
  local used = tonumber(memory:match('used_memory:(%d+)'))
  local most = tonumber(memory:match('maxmemory:(%d+)'))
  if most and most > 0 and used > 0.9 * most then
    forget_memos(redis.call('ZRANGE', p .. ':memos', 0, tonumber(ARGV[4]) - 1))
  end
end
return #ids
