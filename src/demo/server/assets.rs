//! Sub-resources of every page: some 15 of 600 KB in all, most of them useless, as on real portals.

use std::collections::HashMap;

use axum::body::Bytes;

use crate::demo::catalogue::files;
use crate::demo::catalogue::rng::Rng;

const STYLE: &str = include_str!("../pages/portal.css");
const SCRIPT: &str = include_str!("../pages/order.js");

/// Names and sizes of scripts that nothing needs.
const BALLAST_SCRIPTS: &[(&str, usize)] = &[
    ("vendor.js", 120_000),
    ("polyfills.js", 60_000),
    ("charts.js", 70_000),
    ("editor.js", 65_000),
    ("analytics.js", 40_000),
    ("chat.js", 45_000),
];

/// Names and sizes of pictures.
const PICTURES: &[(&str, usize)] = &[
    ("banner.png", 90_000),
    ("avatar.png", 12_000),
    ("tile-1.png", 20_000),
    ("tile-2.png", 20_000),
    ("tile-3.png", 20_000),
    ("badge.png", 8_000),
    ("footer.png", 16_000),
];

/// One sub-resource.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Bytes,
    /// Whether browsers cache it. Pictures are sent again with every page.
    pub(crate) is_kept: bool,
}

/// All sub-resources by name.
#[derive(Debug)]
pub(crate) struct Assets(HashMap<&'static str, Asset>);

impl Assets {
    pub(crate) fn new(seed: u64) -> Self {
        let text = |media_type, bytes: Vec<u8>| Asset { media_type, bytes: bytes.into(), is_kept: true };
        let mut assets = HashMap::from([
            ("portal.css", text("text/css; charset=utf-8", STYLE.as_bytes().to_vec())),
            ("order.js", text("text/javascript; charset=utf-8", SCRIPT.as_bytes().to_vec())),
        ]);
        for (at, (name, size)) in BALLAST_SCRIPTS.iter().enumerate() {
            let mut dice = Rng::new(seed, 1_000_000 + at as u64);
            let mut script = String::from("(() => { const unused = [\n");
            while script.len() < *size {
                script.push_str(&format!("0x{:x}n,\n", dice.roll()));
            }
            script.push_str("]; return unused.length; })();\n");
            assets.insert(name, text("text/javascript; charset=utf-8", script.into_bytes()));
        }
        for (at, (name, size)) in PICTURES.iter().enumerate() {
            let bytes = files::png(*size, &mut Rng::new(seed, 2_000_000 + at as u64)).into();
            assets.insert(name, Asset { media_type: "image/png", bytes, is_kept: false });
        }
        Self(assets)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Asset> {
        self.0.get(name)
    }
}

/// The tags for a page's head.
pub(crate) fn head_tags() -> String {
    let mut tags = String::from("<link rel=\"stylesheet\" href=\"/assets/portal.css\">\n");
    for (name, _) in BALLAST_SCRIPTS.iter().chain(&[("order.js", 0)]) {
        tags.push_str(&format!("<script src=\"/assets/{name}\" defer></script>\n"));
    }
    tags
}

/// The tags of the pictures, for a page's foot.
pub(crate) fn picture_tags() -> String {
    PICTURES.iter().map(|(name, _)| format!("<img src=\"/assets/{name}\" alt=\"\">")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_weighs_what_real_ones_weigh() {
        let assets = Assets::new(1);
        let weight: usize = assets.0.values().map(|asset| asset.bytes.len()).sum();
        assert_eq!(assets.0.len(), 15);
        assert!((550_000..700_000).contains(&weight), "{weight}");
    }

    #[test]
    fn every_tag_leads_to_an_asset() {
        let assets = Assets::new(1);
        let tags = head_tags() + &picture_tags();
        let names: Vec<_> = tags.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names.len(), 15);
        assert!(names.iter().all(|name| assets.get(name).is_some()), "{names:?}");
    }
}
