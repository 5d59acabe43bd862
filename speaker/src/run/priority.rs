//! Real-time scheduling for the threads that answer others: gossip and ARP. A node that is busy must not look dead, and a
//! question must not wait for a plan.

use std::{io, panic, thread};

use thread_priority::{
    RealtimeThreadSchedulePolicy, ScheduleParams, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Calls `start`, whose threads inherit the lowest real-time priority where the system grants it (CAP_SYS_NICE); its
/// refusal is logged and changes nothing else. The thread that `start` runs on ends with it, so the caller's own priority
/// is never touched.
///
/// # Errors
/// The system grants no thread; `start` was not called.
pub(super) fn in_real_time<T: Send>(start: impl FnOnce() -> T + Send) -> io::Result<T> {
    let raised = || {
        let lowest = ThreadPriority::from_posix(ScheduleParams { sched_priority: 1 });
        let round_robin = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
        if let Err(error) = set_thread_priority_and_policy(thread_native_id(), lowest, round_robin) {
            tracing::info!(error = ?error, "no real-time priority for gossip and ARP");
        }
        start()
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("starter".to_owned()).spawn_scoped(scope, raised)?;
        Ok(thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nice value, real-time priority and policy of the calling thread; see `proc_pid_stat(5)`.
    fn scheduling() -> Vec<String> {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split_whitespace().collect();
        // The first field behind the name is number 3 there.
        [19, 40, 41].map(|number| fields[number - 3].to_owned()).into()
    }

    #[test]
    fn the_started_threads_are_raised_where_that_is_granted_and_the_caller_stays_as_it_was() {
        let before = scheduling();
        let inherited = in_real_time(|| thread::spawn(scheduling).join().unwrap()).unwrap();
        assert!(inherited[1..] == ["1", "2"] || inherited == before, "{inherited:?}");
        assert_eq!(scheduling(), before);
    }
}
