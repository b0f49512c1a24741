-- id, who, "1" where tags are given, these as JSON, "1" where a note is given, the note -> "labelled",
-- or nil
local id, who = ARGV[4], ARGV[5]
if redis.call('EXISTS', job(id)) == 0 then return nil end
local labels = cjson.decode(redis.call('HGET', job(id), 'labels') or '{}')
local own = labels[who] or {}
-- Nothing is kept that is empty: an empty list would come back as an object.
if ARGV[6] == '1' then
  own.tags = cjson.decode(ARGV[7])
  if #own.tags == 0 then own.tags = nil end
end
if ARGV[8] == '1' then
  own.note = ARGV[9]
  if own.note == '' then own.note = nil end
end
labels[who] = own
if not next(own) then labels[who] = nil end
if next(labels) then
  redis.call('HSET', job(id), 'labels', cjson.encode(labels))
else
  redis.call('HDEL', job(id), 'labels')
end
changed(id)
return 'labelled'
