-- Gives up a claim, or one share of a lease. Sent twice it may take another loader's share along,
-- whose fill is then voided: that costs a load at most.
-- KEYS claims; ARGV fresh, token
stop(claims(0, ARGV[1]), ARGV[2], ARGV[1], true)
return 1
