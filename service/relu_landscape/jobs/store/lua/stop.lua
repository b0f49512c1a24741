-- id, token, ttl, outcome (failed, cancelled, returned), error -> "held" or "lost"
local id, token, ttl, outcome = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
if not holds(id, token) then return 'lost' end
local cancelling = redis.call('HGET', job(id), 'state') == 'cancelling'
if outcome == 'cancelled' or (cancelling and outcome ~= 'failed') then
  cancelled(id, ttl)
elseif outcome == 'failed' then
  redis.call('HDEL', job(id), 'resubmitted')
  over(id, 'failed', ttl, ARGV[8])
else
  redis.call('HDEL', job(id), 'barren')
  release(id)
  queue(id)
end
return 'held'
