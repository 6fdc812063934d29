//! Which region a host of the service names.

/// What a host tells about where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Region {
    Unknown,
    Named(String),
    CloudBox { id: String, region: String },
}

impl Region {
    /// Reads the region out of a host name in lower case.
    ///
    /// The legacy names come before the general form, which would read `oss-internal` as a region
    /// called `internal`; and the general form must not read the service's own words as regions.
    pub(super) fn of_host(host: &str) -> Self {
        let Some(name) = host.strip_suffix(".aliyuncs.com") else {
            return Self::Unknown;
        };
        if let ["oss" | "oss-internal"] = labels(name)[..] {
            return Self::Named(LEGACY_REGION.to_owned());
        }
        if let [id, region, "oss-cloudbox" | "oss-cloudbox-control"] = labels(name)[..]
            && is_cloud_box_id(id)
            && is_region(region)
        {
            return Self::CloudBox { id: id.to_owned(), region: region.to_owned() };
        }
        // Only a whole endpoint can be of the dual-stack form: `{bucket}.oss.aliyuncs.com` is a
        // legacy form with a bucket.
        if let [region, "oss"] = labels(name)[..] {
            return if is_dual_stack_region(region) { named(region) } else { Self::Unknown };
        }
        let point = ACCESS_POINTS.iter().find_map(|suffix| name.strip_suffix(suffix));
        let label = labels(point.unwrap_or(name)).pop().and_then(|it| it.strip_prefix("oss-"));
        label.map_or(Self::Unknown, |label| {
            let region = label.strip_suffix("-internal").unwrap_or(label);
            if NOT_REGIONS.contains(&region) { Self::Unknown } else { named(region) }
        })
    }

    /// The region's name.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Unknown => None,
            Self::Named(region) | Self::CloudBox { region, .. } => Some(region),
        }
    }

    /// The id of the Cloud Box.
    pub(super) fn cloud_box_id(&self) -> Option<&str> {
        match self {
            Self::CloudBox { id, .. } => Some(id),
            Self::Unknown | Self::Named(_) => None,
        }
    }
}

fn labels(name: &str) -> Vec<&str> {
    name.split('.').collect()
}

fn named(region: &str) -> Region {
    if is_region(region) { Region::Named(region.to_owned()) } else { Region::Unknown }
}

/// What the SDKs v2 accept for a region.
fn is_region(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_allowed)
}

fn is_cloud_box_id(label: &str) -> bool {
    label.starts_with("cb-") && is_region(label)
}

/// Two to four letters and a hyphen first, as in `cn-hangzhou` and `rus-…`; not `oss-…`.
fn is_dual_stack_region(label: &str) -> bool {
    let country = label.split_once('-').map_or("", |(country, _)| country);
    (2..=4).contains(&country.len())
        && country.bytes().all(|byte| byte.is_ascii_lowercase())
        && country != "oss"
        && is_region(label)
}

const LEGACY_REGION: &str = "cn-hangzhou";
const ACCESS_POINTS: [&str; 2] = [".oss-accesspoint", ".oss-object-process"];

/// What follows `oss-` in names of the service without being a region.
const NOT_REGIONS: [&str; 7] = [
    "accelerate",
    "accelerate-overseas",
    "accesspoint",
    "object-process",
    "cloudbox",
    "cloudbox-control",
    "internal",
];
