-- id, token -> "held", "cancel" or "lost"
local id, token = ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
whatever_the_memory()
redis.call('HINCRBY', job(id), 'renewals', 1)
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
