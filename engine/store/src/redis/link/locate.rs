//! Where the masters are.

use super::super::config::Seeds;
use super::super::error::ConnectError;
use super::check::Mode;
use super::cluster::Nodes;
use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::sentinel::Sentinels;
use super::topology::Layout;
use super::wire::Wire;

/// Who knows where the masters are.
pub(super) enum Locator {
    Single(Endpoint),
    Cluster(Nodes),
    Sentinel(Sentinels),
}

impl Locator {
    pub(super) fn new(seeds: Seeds) -> Self {
        match seeds {
            Seeds::Single(endpoint) => Self::Single(endpoint),
            Seeds::Cluster(seeds) => Self::Cluster(Nodes::new(seeds)),
            Seeds::Sentinel {
                sentinels,
                name,
                master,
            } => Self::Sentinel(Sentinels::new(sentinels, name, master)),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        match self {
            Self::Cluster(_) => Mode::Cluster,
            Self::Single(_) | Self::Sentinel(_) => Mode::Single,
        }
    }

    /// Whether the masters can move to other addresses.
    pub(super) fn moves(&self) -> bool {
        !matches!(self, Self::Single(_))
    }

    /// The login at the masters, with some address.
    pub(super) fn login(&self) -> Option<&Endpoint> {
        match self {
            Self::Single(endpoint) => Some(endpoint),
            Self::Cluster(nodes) => nodes.login(),
            Self::Sentinel(sentinels) => Some(&sentinels.master),
        }
    }

    /// Asks; `alive` are connections to masters that answer.
    pub(super) async fn locate(
        &self,
        dialer: &Dialer,
        alive: &[Wire],
    ) -> Result<Layout, ConnectError> {
        match self {
            Self::Single(endpoint) => Ok(Layout {
                masters: vec![endpoint.address()],
                ranges: Vec::new(),
            }),
            Self::Cluster(nodes) => nodes.locate(dialer, alive).await,
            Self::Sentinel(sentinels) => sentinels.locate(dialer).await,
        }
    }
}
