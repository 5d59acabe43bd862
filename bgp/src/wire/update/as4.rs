//! AS numbers of four octets through speakers that know only two (RFC 6793 section 4.2.3).

use crate::wire::{AS_TRANS, Aggregator, AsPath, AsSegment, Attributes, SegmentKind};

/// Takes over what AS4_PATH and AS4_AGGREGATOR know better.
pub(super) fn merge(attributes: &mut Attributes, as4_path: Option<AsPath>, as4_aggregator: Option<Aggregator>) {
    match attributes.aggregator {
        // Somebody who knows only two octets has aggregated since: both are out of date.
        Some(aggregator) if aggregator.asn != AS_TRANS && as4_aggregator.is_some() => return,
        Some(_) if as4_aggregator.is_some() => attributes.aggregator = as4_aggregator,
        _ => {}
    }
    if let Some(path) = as4_path
        && let Some(merged) = merged(&attributes.as_path, path)
    {
        attributes.as_path = merged;
    }
}

/// The leading part of AS_PATH that AS4_PATH does not have, and AS4_PATH; `None` if AS_PATH is the shorter one, and so
/// AS4_PATH is out of date.
fn merged(path: &AsPath, mut path4: AsPath) -> Option<AsPath> {
    // RFC 6793 section 6: segments of a confederation have no business in it.
    path4.0.retain(|segment| matches!(segment.kind, SegmentKind::Set | SegmentKind::Sequence));
    let mut lead = path.hops().checked_sub(path4.hops())?;
    let mut segments = Vec::with_capacity(path.0.len() + path4.0.len());
    for segment in &path.0 {
        match segment.kind {
            // They count nothing, so those at the front are part of what leads.
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => segments.push(segment.clone()),
            _ if lead == 0 => break,
            SegmentKind::Set => {
                lead -= 1;
                segments.push(segment.clone());
            }
            SegmentKind::Sequence => {
                let taken = lead.min(segment.asns.len());
                lead -= taken;
                let asns = segment.asns.iter().copied().take(taken).collect();
                segments.push(AsSegment { kind: SegmentKind::Sequence, asns });
            }
        }
    }
    for segment in path4.0 {
        match (segments.last_mut(), segment.kind) {
            // One sequence that was cut in two is one sequence, and one path has one form.
            (Some(last), SegmentKind::Sequence)
                if last.kind == SegmentKind::Sequence && last.asns.len() + segment.asns.len() <= 255 =>
            {
                last.asns.extend(segment.asns);
            }
            _ => segments.push(segment),
        }
    }
    Some(AsPath(segments))
}
