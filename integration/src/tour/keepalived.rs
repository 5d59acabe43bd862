//! keepalived as the peer to compare with: VRRPv3 (RFC 9568), adverts every 100 ms, on the same nodes and the same
//! kube-proxy rules.

use std::net::IpAddr;
use std::process::{Child, Stdio};

use crate::error::{Error, system};
use crate::lab::Lab;

/// One node's keepalived. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Keepalived {
    node: String,
    process: Child,
}

// === impl Keepalived ===

impl Keepalived {
    /// Gives the service its address, as the controller would.
    pub(super) fn prepare(lab: &Lab, vip: IpAddr) -> Result<(), Error> {
        let status = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: default}}\n\
             status: {{loadBalancer: {{ingress: [{{ip: {vip}}}]}}}}\n"
        );
        lab.apply("status/services/default/web.yaml", &status)
    }

    /// Starts it on `node`; the smallest rank begins as owner, and nobody takes the address back.
    pub(super) fn start(lab: &Lab, node: &str, rank: usize, vip: IpAddr) -> Result<Self, Error> {
        let priority = 150 - 10 * rank.min(10);
        let folder = format!("/run/lab/keepalived-{node}");
        let configuration = format!(
            "global_defs {{\n router_id {node}\n vrrp_version 3\n}}\nvrrp_instance web {{\n state BACKUP\n interface eth0\n \
             virtual_router_id 52\n priority {priority}\n advert_int 0.1\n nopreempt\n virtual_ipaddress {{\n  {vip}/32 dev eth0\n }}\n}}\n"
        );
        let script = format!(
            "mkdir -p {folder} && cat > {folder}/conf <<'END'\n{configuration}END\n\
             ip addr del {vip}/32 dev eth0 2>/dev/null; rm -f {folder}/*.pid\n\
             exec keepalived --dont-fork --vrrp --log-console --use-file {folder}/conf \
             --pid {folder}/main.pid --vrrp_pid {folder}/vrrp.pid"
        );
        let mut command = lab.command(node, &["sh", "-c", &script])?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(system("start keepalived"))?;
        Ok(Self { node: node.to_owned(), process })
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // Already over is as good as killed; either way it is collected.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
