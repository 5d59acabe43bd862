//! Real-time scheduling for the threads that answer others: gossip and ARP. A node that is busy must not look dead, and a
//! question must not wait for a plan.

use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Calls `start`, whose threads inherit the lowest real-time priority where the system grants it (CAP_SYS_NICE); its
/// refusal is logged and changes nothing else.
pub(super) fn in_real_time<T>(start: impl FnOnce() -> T) -> T {
    let me = thread_native_id();
    let lowest = ThreadPriority::from_posix(thread_priority::ScheduleParams { sched_priority: 1 });
    let round_robin = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let granted = set_thread_priority_and_policy(me, lowest, round_robin);
    let started = start();
    match granted {
        Ok(()) => {
            let normal = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
            let zero = ThreadPriority::from_posix(thread_priority::ScheduleParams { sched_priority: 0 });
            if let Err(error) = set_thread_priority_and_policy(me, zero, normal) {
                tracing::warn!(error = ?error, "the main thread keeps its real-time priority");
            }
        }
        Err(error) => tracing::info!(error = ?error, "no real-time priority for gossip and ARP"),
    }
    started
}
