//! A simulated cluster in virtual time: the real gossip and the real decisions of every node on a network that loses,
//! delays and cuts.
