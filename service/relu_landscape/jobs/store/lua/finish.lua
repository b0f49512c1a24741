-- id, token, ttl, result, then pairs of a part's key and its details -> "held" or "lost"
local id, token, ttl = ARGV[4], ARGV[5], tonumber(ARGV[6])
if not holds(id, token) then return 'lost' end
-- Chunks go first: a job that ends frees more than it takes, so a full memory must let it.
redis.call('DEL', key('details', id), key('chunks', id))
redis.call('SET', key('result', id), ARGV[7])
for i = 8, #ARGV, 2 do redis.call('HSET', key('details', id), ARGV[i], ARGV[i + 1]) end
redis.call('HDEL', job(id), 'resubmitted', 'findings')
over(id, 'finished', ttl)
-- What was found on the way is in the result: a tenth of it will do for readers that come back.
redis.call('XTRIM', key('events', id), 'MAXLEN', math.max(10, math.floor(ARGV[2] / 10)))
return 'held'
