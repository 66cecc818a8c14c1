// SPDX-License-Identifier: Apache-2.0
#include "distributed/lifeline_net.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>

#include <chrono>
#include <cstring>
#include <random>

namespace lockstep {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

// For each address of the hub.
constexpr int kConnectMillis = 3000;

// The addresses by which other machines may know this one.
void AddInterfaces(HubAddress* address) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return;
  for (ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || (i->ifa_flags & IFF_LOOPBACK) != 0 ||
        (i->ifa_flags & IFF_UP) == 0 || i->ifa_addr->sa_family != AF_INET ||
        address->count >= std::size(address->hosts)) {
      continue;
    }
    const auto* in = reinterpret_cast<const sockaddr_in*>(i->ifa_addr);
    const asio::ip::address_v4 ip(ntohl(in->sin_addr.s_addr));
    ip.to_string().copy(address->hosts[address->count++],
                        sizeof(address->hosts[0]) - 1);
  }
  freeifaddrs(list);
}

// A connection to `host`, or an error within the time.
error_code ConnectWithin(tcp::socket* socket, const tcp::endpoint& to) {
  error_code error;
  socket->open(to.protocol(), error);
  if (error) return error;
  socket->non_blocking(true, error);
  socket->connect(to, error);
  if (error == asio::error::in_progress || error == asio::error::would_block) {
    pollfd wait{.fd = socket->native_handle(), .events = POLLOUT};
    if (poll(&wait, 1, kConnectMillis) <= 0) return asio::error::timed_out;
    int result = 0;
    socklen_t size = sizeof(result);
    getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &result, &size);
    error = error_code(result, boost::system::system_category());
  }
  return error;
}

}  // namespace

struct LifelineNet::Connection {
  explicit Connection(tcp::socket s) : socket(std::move(s)) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.set_option(tcp::no_delay(true), ignored);
  }
  tcp::socket socket;
  int rank = -1;  // of the other end, once it is known
  FrameReader reader;
  std::array<char, 4096> bytes;
  std::string unsent;
  bool writing = false;
};

LifelineNet::LifelineNet(asio::io_context* io, int rank, int size,
                         Handler* handler)
    : io_(*io),
      rank_(rank),
      handler_(*handler),
      acceptor_(io_),
      connections_(static_cast<size_t>(size)) {}

LifelineNet::~LifelineNet() = default;

Result<HubAddress> LifelineNet::Listen() {
  error_code error;
  const tcp::endpoint any(tcp::v4(), 0);
  acceptor_.open(any.protocol(), error);
  if (!error) acceptor_.bind(any, error);
  if (!error)
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Unavailable("the lifeline's port: ", error.message());
  HubAddress address;
  std::random_device random;
  address.token = uint64_t{random()} << 32 | random();
  address.port = acceptor_.local_endpoint().port();
  AddInterfaces(&address);
  token_ = address.token;
  return address;
}

Status LifelineNet::Connect(const HubAddress& hub, bool near) {
  std::vector<std::string> hosts;
  if (near) hosts.push_back("127.0.0.1");
  for (size_t i = 0; i < hub.count && i < std::size(hub.hosts); ++i) {
    hosts.emplace_back(hub.hosts[i], strnlen(hub.hosts[i], 46));
  }
  std::string tried;
  for (const std::string& host : hosts) {
    error_code error;
    const auto ip = asio::ip::make_address(host, error);
    tcp::socket socket(io_);
    if (!error) error = ConnectWithin(&socket, tcp::endpoint(ip, hub.port));
    if (!error) {
      connections_[0] = std::make_shared<Connection>(std::move(socket));
      connections_[0]->rank = 0;
      Send(0, {.type = FrameType::kHello,
               .rank = rank_,
               .number = static_cast<int64_t>(hub.token)});
      return Ok();
    }
    tried += StrCat(tried.empty() ? "" : ", ", host, ":", hub.port, " (",
                    error.message(), ")");
  }
  return Unavailable("the lifeline of rank 0 cannot be reached: ",
                     tried.empty() ? "it has no address" : tried);
}

void LifelineNet::Start() {
  if (rank_ == 0) return Accept();
  Read(connections_[0]);
}

void LifelineNet::Accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) Read(std::make_shared<Connection>(std::move(socket)));
    Accept();
  });
}

void LifelineNet::Read(const Shared& connection) {
  connection->socket.async_read_some(
      asio::buffer(connection->bytes),
      [this, connection](const error_code& error, size_t size) {
        if (error) return Close(connection);
        connection->reader.Append({connection->bytes.data(), size});
        TakeFrames(connection);
        if (connection->socket.is_open()) Read(connection);
      });
}

void LifelineNet::TakeFrames(const Shared& connection) {
  while (true) {
    Result<std::optional<LifelineFrame>> next = connection->reader.Next();
    if (next.ok() && !next->has_value()) return;
    if (!next.ok() || (connection->rank < 0 && !Hello(connection, **next))) {
      return Close(connection);
    }
    if ((*next)->type != FrameType::kHello) {
      handler_.OnFrame(connection->rank, **next);
    }
  }
}

// Who does not begin with the job's token is a stranger.
bool LifelineNet::Hello(const Shared& connection, const LifelineFrame& frame) {
  if (frame.type != FrameType::kHello ||
      frame.number != static_cast<int64_t>(token_) || frame.rank <= 0 ||
      static_cast<size_t>(frame.rank) >= connections_.size() ||
      connections_[static_cast<size_t>(frame.rank)] != nullptr) {
    return false;
  }
  connection->rank = frame.rank;
  connections_[static_cast<size_t>(frame.rank)] = connection;
  return true;
}

void LifelineNet::Send(int to, const LifelineFrame& frame) {
  const Shared& connection = connections_[static_cast<size_t>(to)];
  if (connection == nullptr || !connection->socket.is_open()) return;
  connection->unsent += EncodeFrame(frame);
  if (!connection->writing) Write(connection);
}

void LifelineNet::Write(const Shared& connection) {
  error_code error;
  const size_t sent =
      connection->socket.write_some(asio::buffer(connection->unsent), error);
  connection->unsent.erase(0, sent);
  if (connection->unsent.empty()) {
    connection->writing = false;
    return;
  }
  // Other errors show when it is read.
  if (error && error != asio::error::would_block) return;
  connection->writing = true;
  connection->socket.async_wait(tcp::socket::wait_write,
                                [this, connection](const error_code& failed) {
                                  if (!failed && connection->socket.is_open())
                                    Write(connection);
                                });
}

void LifelineNet::Close(const Shared& connection) {
  if (!connection->socket.is_open()) return;
  error_code ignored;
  connection->socket.close(ignored);
  if (connection->rank >= 0) handler_.OnClosed(connection->rank);
}

void LifelineNet::Drain(int millis) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + milliseconds(millis);
  std::vector<pollfd> open;
  for (const Shared& c : connections_) {
    if (c == nullptr || !c->socket.is_open()) continue;
    error_code ignored;
    c->socket.shutdown(tcp::socket::shutdown_send, ignored);
    open.push_back({.fd = c->socket.native_handle(), .events = POLLIN});
  }
  char bytes[4096];
  while (!open.empty()) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(until - Clock::now()).count();
    if (left <= 0 ||
        poll(open.data(), open.size(), static_cast<int>(left)) <= 0)
      return;
    std::erase_if(open, [&](const pollfd& p) {
      if (p.revents == 0) return false;
      const ssize_t n = recv(p.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
      return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    });
  }
}

}  // namespace lockstep
