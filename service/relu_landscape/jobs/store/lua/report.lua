-- id, token, progress or findings, JSON -> "held", "cancel" or "lost"
local id, token = ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
redis.call('HSET', job(id), ARGV[6], ARGV[7])
emit(id, ARGV[6], ARGV[7])
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
