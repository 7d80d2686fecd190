//! `peer.Peer`: where the nodes are.

use std::pin::Pin;
use std::sync::Arc;

use lookback_flow::proto::peer::{ChangeNotification, ChangeNotificationType, NotifyRequest, Tls};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use crate::proto::peer::peer_server::Peer;

/// A node that clients are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peering {
    /// `node`, or `cluster/node`.
    pub name: String,
    /// `HOST:PORT` or `unix:///PATH`.
    pub address: String,
    /// The name in its certificate; `None` if it is served without TLS.
    pub tls_server_name: Option<String>,
}

/// Tells of nodes, and that none comes or goes.
#[derive(Clone, Debug)]
pub(crate) struct Peers(pub(crate) Arc<[Peering]>);

type Notifications = Pin<Box<dyn Stream<Item = Result<ChangeNotification, Status>> + Send>>;

#[tonic::async_trait]
impl Peer for Peers {
    type NotifyStream = Notifications;

    async fn notify(&self, _: Request<NotifyRequest>) -> Result<Response<Notifications>, Status> {
        let added = |peer: &Peering| {
            Ok(ChangeNotification {
                name: peer.name.clone(),
                address: peer.address.clone(),
                r#type: ChangeNotificationType::PeerAdded.into(),
                tls: peer.tls_server_name.clone().map(|server_name| Tls { server_name }),
            })
        };
        let added: Vec<_> = self.0.iter().map(added).collect();
        // A relay that sees it end tries again and again.
        Ok(Response::new(Box::pin(tokio_stream::iter(added).chain(tokio_stream::pending()))))
    }
}
