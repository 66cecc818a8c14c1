// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/download.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "runtime/core/logging.h"

namespace lockstep::mnist {
namespace {

constexpr long kConnectMillis = 3000;
constexpr long kTotalSeconds = 120;
// A transfer slower than this for that long is given up.
constexpr long kLowBytesPerSecond = 10000;
constexpr long kLowSeconds = 5;
constexpr size_t kLargestFile = size_t{64} << 20;

size_t Receive(char* data, size_t size, size_t count, void* user) {
  auto& out = *static_cast<std::string*>(user);
  const size_t bytes = size * count;
  if (out.size() + bytes > kLargestFile) return 0;  // ends the transfer
  try {
    out.append(data, bytes);
  } catch (const std::bad_alloc&) {
    return 0;
  }
  return bytes;
}

Result<std::string> Fetch(const std::string& url) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(),
                                                    curl_easy_cleanup);
  if (curl == nullptr) return Unavailable("libcurl does not start");
  std::string body;
  std::array<char, CURL_ERROR_SIZE> why{};
  CURL* c = curl.get();
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http,file");
  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, kConnectMillis);
  curl_easy_setopt(c, CURLOPT_TIMEOUT, kTotalSeconds);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, kLowBytesPerSecond);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, kLowSeconds);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why.data());
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, Receive);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
  const CURLcode code = curl_easy_perform(c);
  if (code != CURLE_OK) {
    return Unavailable(url, ": ",
                       why[0] != '\0' ? why.data() : curl_easy_strerror(code));
  }
  return body;
}

Result<std::string> FetchChecked(const std::string& url,
                                 const std::string& sha256) {
  LS_ASSIGN_OR_RETURN(std::string body, Fetch(url));
  const std::string got = Sha256(body);
  if (got != sha256) {
    return DataLoss(url, ": SHA-256 is ", got, ", published is ", sha256);
  }
  return body;
}

}  // namespace

const std::vector<RemoteFile>& PublishedFiles() {
  static const std::vector<RemoteFile> files = {
      {"train-images-idx3-ubyte.gz",
       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
      {"train-labels-idx1-ubyte.gz",
       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
      {"t10k-images-idx3-ubyte.gz",
       "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
      {"t10k-labels-idx1-ubyte.gz",
       "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}};
  return files;
}

const std::vector<std::string>& PublicMirrors() {
  static const std::vector<std::string> mirrors = {
      "https://storage.googleapis.com/cvdf-datasets/mnist",
      "https://ossci-datasets.s3.amazonaws.com/mnist",
      "https://raw.githubusercontent.com/fgnt/mnist/master"};
  return mirrors;
}

Status DownloadMnist(Env& env, const std::vector<std::string>& mirrors,
                     const std::string& dir,
                     const std::vector<RemoteFile>& files) {
  LS_RETURN_IF_ERROR(env.CreateDirs(dir));
  size_t mirror = 0;
  for (const RemoteFile& file : files) {
    const std::string path = JoinPath(dir, file.name);
    if (env.FileExists(path)) continue;
    // A mirror that failed once is not asked again.
    Status status = Unavailable("no mirrors");
    for (; mirror < mirrors.size(); ++mirror) {
      const std::string url = mirrors[mirror] + "/" + file.name;
      if (mirror == 0) LogInfo("downloading ", url);
      Result<std::string> body = FetchChecked(url, file.sha256);
      status = body.ok() ? env.WriteFileAtomically(path, *body)
                         : std::move(body).status();
      if (status.ok()) break;
    }
    LS_RETURN_IF_ERROR(status);
  }
  return Ok();
}

std::string Sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(),
                 nullptr) != 1) {
    return {};
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

}  // namespace lockstep::mnist
