-- id, who -> 1 where it is new that they asked for this job, else 0
local id = ARGV[4]
if redis.call('EXISTS', job(id)) == 0 then return 0 end
whatever_the_memory()
return note_asker(id, ARGV[5])
