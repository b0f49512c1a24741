-- id, token, chunk, answer -> "held", "cancel" or "lost"
local id, token = ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
redis.call('HSET', key('chunks', id), ARGV[6], ARGV[7])
redis.call('HDEL', job(id), 'barren')
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
