-- id, token, lease in ms -> "held", "cancel" or "lost"
local id, token = ARGV[4], ARGV[5]
if not holds(id, token) then return 'lost' end
redis.call('SET', key('lease', id), token, 'PX', tonumber(ARGV[6]))
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
