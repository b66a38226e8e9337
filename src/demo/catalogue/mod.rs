//! The orders and files of the demo portal, generated from a seed and the same at each start.

pub(crate) mod files;
pub(crate) mod generate;
pub(crate) mod names;
pub(crate) mod orders;
pub(crate) mod rng;

use std::collections::HashMap;

use self::generate::{MIX, OrderGenerator};
use self::orders::{Attachment, DemoOrder, Requisition};
use super::portal_kind::PortalKind;
use crate::model::PoNumber;

/// All orders and files of the portal.
#[derive(Debug)]
pub(crate) struct Catalogue {
    orders: Vec<DemoOrder>,
    by_digits: HashMap<String, usize>,
    by_requisition: HashMap<String, usize>,
    by_file: HashMap<u64, usize>,
}

impl Catalogue {
    /// Generates `count` orders (at least one) from `seed`.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let orders: Vec<_> = (0..count.max(1))
            .zip(MIX.iter().cycle())
            .map(|(at, kind)| OrderGenerator::new(seed, at).order(*kind))
            .collect();
        let mut by_file = HashMap::new();
        for (at, order) in orders.iter().enumerate() {
            let all = order.attachments.iter().chain(order.requisition.iter().flat_map(|pr| &pr.attachments));
            by_file.extend(all.map(|file| (file.id, at)));
        }
        Self {
            by_digits: orders.iter().enumerate().map(|(at, order)| (order.po.digits().to_owned(), at)).collect(),
            by_requisition: orders
                .iter()
                .enumerate()
                .filter_map(|(at, order)| Some((at, order.requisition.as_ref()?)))
                .flat_map(|(at, requisition)| [(requisition.id.clone(), at), (requisition.second_id(), at)])
                .collect(),
            by_file,
            orders,
        }
    }

    pub(crate) fn orders(&self) -> &[DemoOrder] {
        &self.orders
    }

    pub(crate) fn order(&self, digits: &str) -> Option<&DemoOrder> {
        self.by_digits.get(digits).map(|at| &self.orders[*at])
    }

    /// The order that an address names, in the portal of this kind.
    pub(crate) fn order_at(&self, look: PortalKind, named: &str) -> Option<&DemoOrder> {
        match look {
            PortalKind::Coupa | PortalKind::Table => self.order(named),
            // with its prefix or without any, but not with another one
            PortalKind::CoupaPrefixed => {
                let po: PoNumber = named.parse().ok()?;
                self.order(po.digits()).filter(|order| po.prefix().is_empty() || order.po.to_string() == named)
            }
        }
    }

    /// A requisition, and the order that it belongs to.
    pub(crate) fn requisition(&self, id: &str) -> Option<(&DemoOrder, &Requisition)> {
        let order = &self.orders[*self.by_requisition.get(id)?];
        Some((order, order.requisition.as_ref()?))
    }

    /// A file, and the order that it belongs to.
    pub(crate) fn file(&self, id: u64) -> Option<(&DemoOrder, &Attachment)> {
        let order = &self.orders[*self.by_file.get(&id)?];
        let mut all = order.attachments.iter().chain(order.requisition.iter().flat_map(|pr| &pr.attachments));
        Some((order, all.find(|file| file.id == id)?))
    }
}
