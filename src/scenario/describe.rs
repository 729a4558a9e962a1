//! The traffic of a scenario in words, for the head of a report.

use super::{Encoding, IdlePhones, Resolution, Scenario};
use crate::units::Span;

impl Scenario {
    /// One line for each kind of traffic that is asked for.
    #[must_use]
    pub fn describe_traffic(&self) -> Vec<String> {
        let traffic = &self.traffic;
        let standing = traffic.standing_calls.as_ref().map(|calls| {
            let codecs: Vec<&str> = calls.codecs.iter().map(|codec| codec.sdp_name()).collect();
            format!("{} standing calls, {}, {} packets", calls.count, codecs.join(" and "), calls.ptime.get_ref().0)
        });
        let video = traffic.video_calls.as_ref().map(|calls| {
            let picture = calls.picture.get_ref();
            let codec = calls.codec.sdp_name();
            let shown = match calls.encoding() {
                None => format!("{}p at {}/s", picture.height(), picture.frame_rate()),
                Some(Encoding { resolution: Resolution { width, height }, frame_rate, bitrate_kbps }) => {
                    format!("{width}x{height} at {frame_rate}/s encoded for {bitrate_kbps} kbit/s")
                }
            };
            let key = calls.key_interval.get_ref().0;
            let requests = match calls.key_frame_requests.0 {
                Span::ZERO => "never asked for".to_owned(),
                least => format!("asked for at most every {least}"),
            };
            format!("{} video calls, {codec} {shown}, key frame every {key} and {requests}", calls.count)
        });
        let new = traffic.new_calls.as_ref().map(|calls| {
            let calls = calls.get_ref();
            format!("{} new calls/s, held {}, patience {}", calls.rate_per_s, calls.hold.0, calls.patience.0)
        });
        let registrations = traffic.registrations.as_ref().map(|registrations| {
            format!("{} phones, each registers every {}", registrations.phones, registrations.interval.get_ref().0)
        });
        let options = traffic.options.as_ref().map(|train| format!("OPTIONS every {}", train.interval.get_ref().0));
        let chat = traffic
            .chat
            .as_ref()
            .map(|chat| format!("{} chat pairs, {} messages/s in all", chat.pairs, chat.messages_per_s.get_ref()));
        let idle = traffic.idle_phones.as_ref().map(|phones| describe_idle(phones.as_ref()));
        [standing, video, new, registrations, idle, options, chat].into_iter().flatten().collect()
    }
}

fn describe_idle(idle: &IdlePhones) -> String {
    let profiles: Vec<&str> = idle.phone.get_ref().shares().into_iter().map(|(name, _)| name).collect();
    let expires = idle.expires.as_ref().map(|of| format!(", registered for {}", of.get_ref().0));
    format!(
        "{} idle phones for each of three questions ({}), asked every {}, patience {}{}",
        idle.phones,
        profiles.join(", "),
        idle.interval.get_ref().0,
        idle.patience.0,
        expires.unwrap_or_default()
    )
}
