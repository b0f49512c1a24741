-- id, token, chunk, answer, and perhaps a name under which other jobs find it and how many such
-- are kept -> "held", "cancel" or "lost"
local id, token = ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
redis.call('HSET', key('chunks', id), ARGV[6], ARGV[7])
redis.call('HDEL', job(id), 'barren')
if ARGV[8] then
  redis.call('SET', key('memo', ARGV[8]), ARGV[7])
  redis.call('HDEL', p .. ':making', ARGV[8])
  redis.call('ZADD', p .. ':memos', now(), ARGV[8])
  forget_memos(redis.call('ZRANGE', p .. ':memos', 0, -1 - tonumber(ARGV[9])))
end
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
