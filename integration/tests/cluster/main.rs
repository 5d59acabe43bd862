//! ferrolb on a real Kubernetes cluster: the chart installed by helm, the image in pods, kube-proxy's rules, and what
//! happens there when nodes, cables, etcd and the API server go.
//!
//! One cluster serves all tests, one after the other; each finds it installed, whole, and with the Service `web`.

mod chaos;
mod common;
mod configuration;
mod failover;
mod installation;
mod interruptions;
mod lifetime;
mod migration;
mod node_failure;
mod planned;
mod quickstart;
mod scraping;
