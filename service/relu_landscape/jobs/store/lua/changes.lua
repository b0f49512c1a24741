-- number of the last change that is known, most -> what tells one series of changes from another, the
-- number up to which this goes, that up to which what is gone is forgotten, ids that are gone, ids
-- that changed, and how many jobs are in each state, as name and count
local after = '(' .. ARGV[4]
local ids = {}
local last = tonumber(redis.call('GET', p .. ':changed') or '0')
local found = redis.call('ZRANGEBYSCORE', p .. ':changes', after, '+inf', 'WITHSCORES',
                         'LIMIT', 0, tonumber(ARGV[5]))
for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
if #ids == tonumber(ARGV[5]) then last = found[#found] end
local counts = {}
for _, state in ipairs({ 'queued', 'running', 'cancelling', 'cancelled', 'failed', 'finished' }) do
  counts[#counts + 1] = state
  counts[#counts + 1] = tostring(redis.call('SCARD', key('state', state)))
end
return { redis.call('GET', p .. ':changes-since') or '', tostring(last),
         redis.call('GET', p .. ':gone-until') or '0',
         redis.call('ZRANGEBYSCORE', p .. ':gone', after, '+inf'), ids, counts }
