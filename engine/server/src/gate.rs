//! What stands before the routes of a plane: who may come in, and how many at a time.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;
use tower::ServiceExt as _;

use crate::access::{Access, Known, Plane, forbidden};
use crate::in_flight::InFlight;
use crate::problem::Problem;
use crate::{front, singles};

/// What an orchestrator asks without a token, and learns nothing from but yes or no.
const OPEN: [&str; 2] = ["/health/live", "/health/ready"];

/// The routes of one plane and the way to them.
#[derive(Clone)]
pub(crate) struct Gate {
    router: Router,
    rule: Arc<Rule>,
}

struct Rule {
    plane: Plane,
    access: Arc<Access>,
    /// None where nothing is ever shed.
    limit: Option<Arc<InFlight>>,
}

impl Gate {
    pub(crate) fn new(
        router: Router,
        plane: Plane,
        access: Arc<Access>,
        limit: Option<Arc<InFlight>>,
    ) -> Self {
        let rule = Arc::new(Rule {
            plane,
            access,
            limit,
        });
        Self { router, rule }
    }

    /// Answers a request. Strangers are turned away first: they take no room from others.
    pub(crate) async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let mut answer = self.pass(request).await?;
        front::complete(answer.headers_mut());
        Ok(answer)
    }

    async fn pass(self, mut request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let entered = singles::check(request.headers());
        if let Err(problem) = entered.and_then(|()| self.rule.enter(&mut request)) {
            return Ok(problem.into_response());
        }
        let Some(limit) = &self.rule.limit else {
            return self.router.oneshot(request).await;
        };
        match limit.enter() {
            Some(_room) => self.router.oneshot(request).await,
            None => Ok(limit.overloaded()),
        }
    }
}

impl Rule {
    fn enter(&self, request: &mut Request<Body>) -> Result<(), Problem> {
        let plane = self.plane;
        if !self.access.guards(plane)
            || (plane == Plane::Admin && OPEN.contains(&request.uri().path()))
        {
            return Ok(());
        }
        let known = self.access.known(plane, request.headers());
        let token = known.map_err(|stranger| stranger.into_problem(plane))?;
        let may = token.scope.enter(plane);
        may.map_err(|lacking| forbidden(&token, plane, &lacking))?;
        // Headers are attributes: policies, keys and origins are not to see the token.
        request.headers_mut().remove(AUTHORIZATION);
        request.extensions_mut().insert(Known(token));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Scope, Token, TokenHash};

    fn rule(planes: &[Plane], plane: Plane) -> Rule {
        let token = Token {
            name: "shop".to_owned(),
            hash: TokenHash::of("secret"),
            scope: Scope {
                planes: planes.to_vec(),
                ..Scope::default()
            },
        };
        Rule {
            plane,
            access: Arc::new(Access::new(vec![token])),
            limit: None,
        }
    }

    fn request(path: &str, authorization: &str) -> Request<Body> {
        let builder = Request::builder().uri(path);
        let builder = builder.header(AUTHORIZATION, authorization);
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn what_goes_on_has_the_tokens_name_and_not_the_token() {
        let mut request = request("/v1/entries/product/1", "Bearer secret");
        rule(&[Plane::Data], Plane::Data)
            .enter(&mut request)
            .unwrap();
        assert!(!request.headers().contains_key(AUTHORIZATION));
        let known = request.extensions().get::<Known>().unwrap();
        assert_eq!(known.0.name, "shop");
    }

    #[test]
    fn an_open_plane_leaves_the_header_to_the_policies() {
        let mut request = request("/v1/entries/product/1", "Bearer of a user");
        rule(&[Plane::Admin], Plane::Data)
            .enter(&mut request)
            .unwrap();
        assert!(request.headers().contains_key(AUTHORIZATION));
        assert!(request.extensions().get::<Known>().is_none());
    }

    #[test]
    fn who_is_let_in() {
        use Plane::{Admin, Data};
        for (planes, plane, path, authorization, code) in [
            (&[Data][..], Data, "/v1/decide", "Bearer secret", ""),
            (
                &[Data],
                Data,
                "/v1/decide",
                "Bearer other",
                "unauthenticated",
            ),
            (&[Data], Data, "/health/live", "", "unauthenticated"),
            (&[Data], Admin, "/v1/status", "", ""),
            (&[Admin], Admin, "/v1/status", "Bearer secret", ""),
            (&[Admin], Admin, "/v1/status", "", "unauthenticated"),
            (&[Admin], Admin, "/metrics", "", "unauthenticated"),
            (&[Admin], Admin, "/openapi.json", "", "unauthenticated"),
            (&[Admin], Admin, "/health/live", "", ""),
            (&[Admin], Admin, "/health/ready", "Bearer other", ""),
            (&[Admin], Admin, "/health/live/", "", "unauthenticated"),
            (&[Admin], Admin, "/health", "", "unauthenticated"),
            (&[Admin], Data, "/v1/decide", "", ""),
        ] {
            let told = rule(planes, plane).enter(&mut request(path, authorization));
            let told = told.err().map_or("", |problem| problem.code);
            assert_eq!(told, code, "{planes:?} {plane:?} {path} {authorization}");
        }
    }

    #[test]
    fn a_token_of_the_other_plane_is_known_and_not_let_in() {
        let mut rule = rule(&[Plane::Data], Plane::Admin);
        let mut tokens = vec![Token {
            name: "operator".to_owned(),
            hash: TokenHash::of("other"),
            scope: Scope {
                planes: vec![Plane::Admin],
                ..Scope::default()
            },
        }];
        tokens.push(Token {
            name: "shop".to_owned(),
            hash: TokenHash::of("secret"),
            scope: Scope {
                planes: vec![Plane::Data],
                ..Scope::default()
            },
        });
        rule.access = Arc::new(Access::new(tokens));
        let problem = rule.enter(&mut request("/v1/status", "Bearer secret"));
        let problem = problem.unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (403, "forbidden"));
        assert!(
            problem
                .detail
                .contains("the token `shop` is not for the admin plane"),
            "{}",
            problem.detail
        );
    }
}
